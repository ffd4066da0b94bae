"""The nodes of a cluster on the map, with the stages that they run, what they send, and what limits the pipeline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from planner.pipeline.instance import Floats
from planner.pipeline.loads import DISPATCHER, Kind, Resource, transmissions
from planner.pipeline.plan import Plan
from tools.clusters.in_words import duration
from tools.clusters.problem import Problem
from tools.plots.map_places import free_direction, free_spot, places_of
from tools.plots.pipeline_looks import GREY, RED, stage_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DARK = "#444444"
_NODE_AREA, _IDLE_AREA = 215.0, 40.0
"""In square points."""
_NODE_POINTS = math.sqrt(_NODE_AREA / math.pi) + 1.5
_CURVE, _BESIDE_POINTS, _WAY_POINTS = 0.12, 9.0, 42.0
"""How much arrows bend; how far off their labels stand, and the ends of the ways in and out."""
_MOST_LINKS = 3
"""Links that carry nothing are drawn only where there are at most so many per node."""


def draw_map(axes: Axes, problem: Problem, plan: Plan, limit: Resource | None) -> None:
    """Draws the nodes where they stand, close ones a little apart; where no place is known, in a circle, in pipeline order."""
    places, known = places_of(problem, plan)
    _draw_links(axes, problem, places)
    _draw_idle(axes, problem, plan, places)
    _draw_sent(axes, problem, plan, places, limit)
    _draw_ways(axes, problem, plan, places, limit)
    _draw_stages(axes, problem, plan, places, limit)
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.09)
    if known:
        axes.set_xlabel("m")
        axes.set_ylabel("m")
        axes.grid(color="#EFEFEF", linewidth=0.7)
        axes.set_axisbelow(True)
    else:
        axes.set_axis_off()


def _draw_links(axes: Axes, problem: Problem, places: Floats) -> None:
    rate = np.maximum(problem.instance.rate, problem.instance.rate.T)
    senders, receivers = np.nonzero(np.triu(rate, 1))
    if len(senders) <= _MOST_LINKS * len(places):
        for pair in zip(senders, receivers, strict=True):
            axes.plot(*places[list(pair)].T, color="#DDE2E6", linewidth=0.9, zorder=1)


def _draw_idle(axes: Axes, problem: Problem, plan: Plan, places: Floats) -> None:
    idle = [node for node in range(len(places)) if node not in plan.nodes]
    if not idle:
        return
    axes.scatter(
        places[idle, 0], places[idle, 1], s=_IDLE_AREA, facecolors="white", edgecolors=GREY, linewidths=1.0, zorder=2
    )
    for node in idle:
        _name(axes, problem, places[node], node, colour=GREY, below=6)


def _draw_stages(axes: Axes, problem: Problem, plan: Plan, places: Floats, limit: Resource | None) -> None:
    colours = stage_colours(len(plan.stages))
    limiting = _limiting_nodes(limit)
    for number, (stage, colour) in enumerate(zip(plan.stages, colours, strict=True), start=1):
        for node in stage.nodes:
            edge = RED if node in limiting else "white"
            axes.scatter(
                places[node, 0],
                places[node, 1],
                s=_NODE_AREA,
                color=[colour],
                edgecolors=edge,
                linewidths=2.0,
                zorder=5,
            )
            axes.annotate(
                str(number),
                places[node],
                ha="center",
                va="center",
                color="white",
                fontsize=8.5 if number < 10 else 7,
                fontweight="bold",
                zorder=6,
            )
            _name(axes, problem, places[node], node, colour="#222222", below=_NODE_POINTS)


def _name(axes: Axes, problem: Problem, place: Floats, node: int, *, colour: str, below: float) -> None:
    axes.annotate(
        str(problem.node_ids[node]), _pair(place), xytext=(0, -below - 1), textcoords="offset points",
        ha="center", va="top", fontsize=7, color=colour, zorder=7, bbox=_BACKGROUND,
    )  # fmt: skip


_BACKGROUND = {"boxstyle": "round,pad=0.08", "facecolor": (1, 1, 1, 0.75), "edgecolor": "none"}


def _draw_sent(axes: Axes, problem: Problem, plan: Plan, places: Floats, limit: Resource | None) -> None:
    for each in transmissions(problem.instance, plan):
        if DISPATCHER in (each.sender, each.receiver):
            continue
        ends = places[each.sender], places[each.receiver]
        colour = RED if _is_limit(each.sender, each.receiver, limit) else _DARK
        _arrow(axes, ends, colour)
        if each.seconds:
            _label(axes, ends, free_spot(ends, places, curve=_CURVE), duration(each.seconds), colour)


def _arrow(axes: Axes, ends: tuple[Floats, Floats], colour: str) -> None:
    axes.annotate(
        "", _pair(ends[1]), _pair(ends[0]), zorder=4,
        arrowprops={
            "arrowstyle": "-|>,head_width=0.22,head_length=0.42", "color": colour, "linewidth": 2.2 if colour == RED else 1.3,
            "connectionstyle": f"arc3,rad={_CURVE}", "shrinkA": _NODE_POINTS, "shrinkB": _NODE_POINTS,
        },
    )  # fmt: skip


def _label(axes: Axes, ends: tuple[Floats, Floats], spot: Floats, words: str, colour: str) -> None:
    """Beside a spot of an arrow, on its outer side."""
    along = ends[1] - ends[0]
    beside = _BESIDE_POINTS * np.array([along[1], -along[0]]) / (float(np.hypot(*along)) or 1.0)
    axes.annotate(
        words, _pair(spot), xytext=_pair(beside), textcoords="offset points", ha="center", va="center", fontsize=7,
        color=colour, zorder=6, fontweight="bold" if colour == RED else "normal", bbox=_BACKGROUND,
    )  # fmt: skip


def _pair(place: Floats) -> tuple[float, float]:
    return float(place[0]), float(place[1])


def _draw_ways(axes: Axes, problem: Problem, plan: Plan, places: Floats, limit: Resource | None) -> None:
    """The ways in and out, as short arrows where there is room."""
    for each in transmissions(problem.instance, plan):
        if DISPATCHER in (each.sender, each.receiver):
            comes = each.sender == DISPATCHER
            node = each.receiver if comes else each.sender
            colour = RED if _is_limit(each.sender, each.receiver, limit) else _DARK
            words = f"{'in' if comes else 'out'}{f' {duration(each.seconds)}' if each.seconds else ''}"
            _way(axes, places[node], free_direction(places[node], places), words, colour=colour, comes=comes)


def _way(axes: Axes, place: Floats, outwards: Floats, words: str, *, colour: str, comes: bool) -> None:
    offset = _WAY_POINTS * outwards
    axes.annotate(
        words, _pair(place), xytext=_pair(offset), textcoords="offset points",
        ha="center", va="center", fontsize=7.5, color=colour, zorder=4,
        arrowprops={
            "arrowstyle": "-|>" if comes else "<|-", "color": colour, "linewidth": 1.3,
            "shrinkA": 1, "shrinkB": _NODE_POINTS,
        },
    )  # fmt: skip


def _limiting_nodes(limit: Resource | None) -> Sequence[int]:
    return limit.ends if limit and limit.kind in (Kind.PROCESSOR, Kind.RADIO) else ()


def _is_limit(sender: int, receiver: int, limit: Resource | None) -> bool:
    """Whether a transmission is part of what limits."""
    if limit is None or limit.kind is Kind.PROCESSOR:
        return False
    if limit.kind is Kind.AIR:
        return True
    return limit.ends == (sender, receiver) if limit.kind is Kind.LINK else bool({sender, receiver} & set(limit.ends))
