"""One cycle of a pipeline's steady state: what each node computes and sends when, and for which inference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.pipeline.loads import DISPATCHER, Resource
from planner.pipeline.plan import Plan
from planner.pipeline.steady.circle import CLOSE, place_of
from planner.pipeline.steady.schedule import Placed, Schedule
from tools.clusters.problem import Problem
from tools.plots.pipeline_looks import GREY, RED, Colour, stage_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COMPUTES = (-0.38, 0.44)
_SENDS = (0.08, 0.3)
"""Where bars lie in a row, from its middle downwards, and how high they are."""
_ROOM_FOR_WORDS = 0.032
"""Of the cycle: in shorter bars nothing is written."""


@dataclass(frozen=True)
class _Bar:
    """What lies in a row from `start_s` on; `age` inferences came in after the one that it belongs to."""

    row: int
    start_s: float
    seconds: float
    stage: int
    age: int
    is_transmission: bool
    limits: bool


def draw_cycle(axes: Axes, problem: Problem, plan: Plan, cycle: Schedule, limit: Resource | None) -> None:
    """Draws a row for each node that takes part, in pipeline order, and one for the dispatcher if it sends."""
    rows = _rows(plan, cycle)
    colours = stage_colours(len(plan.stages))
    scale, unit = (1.0, "s") if cycle.cycle_s >= 1 else (1e3, "ms")
    for bar in _bars(rows, cycle, limit):
        _draw(axes, bar, colours[bar.stage] if bar.stage >= 0 else None, scale, cycle.cycle_s)
    stages = {node: number for number, stage in enumerate(plan.stages, start=1) for node in stage.nodes}
    names = ["dispatcher" if node == DISPATCHER else f"{stages[node]}: {problem.node_ids[node]}" for node in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    axes.set_ylim(len(rows) - 0.45, -0.6)
    axes.set_xlim(0, cycle.cycle_s * scale)
    inferences = "one inference" if cycle.turns == 1 else f"{cycle.turns} inferences"
    axes.set_xlabel(f"{unit} in the cycle, which repeats every {cycle.cycle_s * scale:.4g} {unit} ({inferences})")
    axes.grid(axis="x", color="#EFEFEF", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    _explain(axes, cycle)


def _rows(plan: Plan, cycle: Schedule) -> list[int]:
    sends = any(each[0].task.seconds for each in cycle.inferences)
    return [*([DISPATCHER] if sends else []), *plan.nodes]


def _bars(rows: list[int], cycle: Schedule, limit: Resource | None) -> Iterator[_Bar]:
    for placed in (placed for inference in cycle.inferences for placed in inference if placed.task.seconds):
        yield from _pieces(rows.index(placed.task.ends[0]), placed, cycle, limit)


def _pieces(row: int, placed: Placed, cycle: Schedule, limit: Resource | None) -> Iterator[_Bar]:
    """A task that goes on into the next cycle is two bars."""
    task = placed.task
    behind, offset_s = place_of(placed.start_s, cycle.cycle_s)
    stage = task.position // 2 - (1 if task.is_transmission else 0)
    left_s = task.seconds
    while left_s > CLOSE * cycle.cycle_s:
        seconds = min(left_s, cycle.cycle_s - offset_s)
        age = behind * cycle.turns - task.turn
        yield _Bar(row, offset_s, seconds, stage, age, task.is_transmission, limit in task.occupies)
        left_s -= seconds
        behind, offset_s = behind + 1, 0.0


def _draw(axes: Axes, bar: _Bar, colour: Colour | None, scale: float, cycle_s: float) -> None:
    top, height = _SENDS if bar.is_transmission else _COMPUTES
    fill = colour or GREY
    axes.barh(
        bar.row + top, bar.seconds * scale, height, bar.start_s * scale, align="edge",
        facecolor=(fill, 0.35) if bar.is_transmission else fill,
        edgecolor=RED if bar.limits else fill, linewidth=1.4 if bar.limits else 0.6, zorder=4 if bar.limits else 3,
    )  # fmt: skip
    if bar.seconds >= _ROOM_FOR_WORDS * cycle_s:
        axes.text(
            (bar.start_s + bar.seconds / 2) * scale, bar.row + top + height / 2, _which(bar.age),
            ha="center", va="center", fontsize=6.5, color="#222222" if bar.is_transmission else "white", zorder=5,
            clip_on=True,
        )  # fmt: skip


def _which(age: int) -> str:
    return "n" if age == 0 else f"n{-age:+d}".replace("-", "\N{MINUS SIGN}")


def _explain(axes: Axes, cycle: Schedule) -> None:
    from matplotlib.patches import Patch

    dark = stage_colours(2)[0]
    handles = [
        Patch(facecolor=dark, label="computes"),
        Patch(facecolor=(dark, 0.35), edgecolor=dark, label="sends"),
        Patch(facecolor="white", edgecolor=RED, linewidth=1.4, label="limits the pipeline"),
    ]
    oldest = max(int(each[-1].start_s // cycle.cycle_s) for each in cycle.inferences) * cycle.turns
    words = "n: the inference that comes in" + (" with this cycle, n\N{MINUS SIGN}1 the one before" if oldest else "")
    axes.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, frameon=False, fontsize=8, title=words,
        title_fontsize=8, alignment="left",
    )  # fmt: skip
