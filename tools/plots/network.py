"""A network drawn over its cut points: what crosses each of them, and how much of the work lies before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.plots.figures import STYLE, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE, _RED, _GREY = "#0072B2", "#D55E00", "#9AA5AE"
"""Told apart by people who see colours differently (Okabe and Ito, 2008)."""

_SIZE_INCHES = (10.0, 6.2)
_CLOSEST_LABELS = 1 / 26
"""Names of good cuts stand at least this share of the width apart."""


def draw_network(facts: Mapping[str, Any], path: Path) -> None:
    """Draws what `dynasplit inspect` found to a file that ends in .svg or .png."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
        points = [point for point in facts["cut_points"] if point["boundary_bytes"]]
        _draw_boundaries(upper, points)
        _draw_work(lower, facts)
        _name_good_cuts(upper, lower, points)
        figure.suptitle(_title(facts), fontsize=12, x=0.01, ha="left")
        save(figure, path)


def _title(facts: Mapping[str, Any]) -> str:
    totals = facts["totals"]
    size = _engineering(facts["bytes"], "B")
    return f"{facts['network']}: {totals['operators']} operators, {_macs(totals['macs'])}, {size}"


def _draw_boundaries(axes: Axes, points: Sequence[Mapping[str, Any]]) -> None:
    from matplotlib.ticker import FuncFormatter

    ends = [point for point in points if point["possible"]]
    axes.plot(*_places(points), color=_GREY, linewidth=1.0, zorder=1)
    size = 26 if len(points) < 80 else 9
    looks = (
        ("several tensors cross", _GREY, size),
        ("one tensor crosses", _BLUE, size),
        ("good cut", _RED, 2.2 * size),
    )
    for kind, colour, area in looks:
        if chosen := [point for point in ends if _kind(point) == kind]:
            axes.scatter(*_places(chosen), color=colour, s=area, label=kind, zorder=2)
    axes.axhline(
        points[0]["boundary_bytes"], color=_GREY, linewidth=0.8, linestyle=(0, (4, 3)), label="input", zorder=0
    )
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _engineering(value, "B")))
    axes.set_ylabel("boundary, before any codec")
    axes.grid(axis="y", color="#E8E8E8", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.legend(loc="lower left", frameon=False, ncols=4, fontsize=8.5, handletextpad=0.4)


def _draw_work(axes: Axes, facts: Mapping[str, Any]) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    total = facts["totals"]["macs"]
    cuts = [point["index"] for point in facts["cut_points"]]
    shares = [100 * point["head_macs"] / total if total else 0.0 for point in facts["cut_points"]]
    axes.fill_between(cuts, shares, color=_BLUE, alpha=0.16, linewidth=0)
    axes.plot(cuts, shares, color=_BLUE, linewidth=1.6)
    axes.set_ylim(0, 104)
    axes.set_xlim(-0.01 * cuts[-1], 1.01 * cuts[-1])
    axes.yaxis.set_major_formatter(PercentFormatter(decimals=0))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=16))
    axes.set_ylabel("work of the head")
    axes.set_xlabel("cut point: operators before it")
    axes.grid(axis="y", color="#E8E8E8", linewidth=0.7)
    axes.set_axisbelow(True)


def _name_good_cuts(upper: Axes, lower: Axes, points: Sequence[Mapping[str, Any]]) -> None:
    """Lines through both drawings, and names above the upper one, as many as there is room for."""
    good = [point for point in points if point["good"]]
    for point in good:
        for axes in (upper, lower):
            axes.axvline(point["index"], color=_RED, linewidth=0.7, alpha=0.45, zorder=0)
    for point in _with_room(good, points[-1]["index"]):
        upper.annotate(
            f"{point['name']}  {_engineering(point['boundary_bytes'], 'B')}",
            xy=(point["index"], 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            rotation=38,
            ha="left",
            va="bottom",
            rotation_mode="anchor",
            fontsize=8.5,
            color=_RED,
        )


def _with_room(good: Sequence[Mapping[str, Any]], width: int) -> list[Mapping[str, Any]]:
    """Those that send least first, and of the others those that stand far enough from all that are chosen."""
    chosen: list[Mapping[str, Any]] = []
    for point in sorted(good, key=lambda point: (point["boundary_bytes"], point["index"])):
        if all(abs(point["index"] - other["index"]) >= _CLOSEST_LABELS * width for other in chosen):
            chosen.append(point)
    return chosen


def _kind(point: Mapping[str, Any]) -> str:
    if point["good"]:
        return "good cut"
    return "one tensor crosses" if len(point["boundary"]) == 1 else "several tensors cross"


def _places(points: Sequence[Mapping[str, Any]]) -> tuple[list[int], list[int]]:
    return [point["index"] for point in points], [point["boundary_bytes"] for point in points]


def _macs(count: int) -> str:
    return _engineering(count, " multiply-accumulates")


def _engineering(value: float, unit: str) -> str:
    for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {prefix}{unit.strip()}" if unit == "B" else f"{value / size:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit.strip()}"
