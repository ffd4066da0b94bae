"""Latency against energy: all configurations, the front through them, and the measurements that contradict the rest."""

from __future__ import annotations

import html
import math
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.findings import Findings
from planner.pareto import front
from planner.provenance import energy_kinds, latency_kinds
from planner.searching.campaign import objectives
from protocol.link import Link
from tools.output import write_text
from tools.plots.figures import FORMATS, STYLE, check_plot_target, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BLUE, _RED, _GREY, _ORANGE = "#0072B2", "#D55E00", "#9AA5AE", "#E69F00"
"""Told apart by people who see colours differently (Okabe and Ito, 2008)."""

_HTML = ".html"
_SIZE_INCHES = (10.0, 6.4)
_SMALL, _LARGE = 7.0, 24.0
"""Areas of dots, in square points."""
_WIDE = 12.0
"""From so many times the smallest figure on, an axis is logarithmic."""

_OFFSETS = {"cloud-only": (2, -32), "edge-only": (16, 34), "fastest": (-20, -62), "least energy": (-4, -26)}
"""Where the names of anchors stand, in points."""


@dataclass(frozen=True)
class Dot:
    """A point in the drawing, with what it says when the mouse is on it."""

    latency_ms: float
    energy_j: float
    title: str
    accuracy: float | None = None


@dataclass(frozen=True)
class Scene:
    """What is drawn. `front` is that of the table, `steps` those of it that are best by latency and energy alone, from the
    fastest to the cheapest; `anchors` are named dots."""

    measured: Sequence[Dot]
    composed: Sequence[Dot]
    front: Sequence[Dot]
    steps: Sequence[Dot]
    suspects: Sequence[Dot]
    anchors: Mapping[str, Dot]
    heading: str
    caption: str
    energy: str


def check_front_target(path: Path) -> None:
    """InvalidInput when nothing could be drawn there later, ServiceMissing without matplotlib."""
    check_plot_target(path, formats=(*FORMATS, _HTML))


def draw_front(found: Findings, facts: Mapping[str, Any], path: Path) -> None:
    """Draws the findings to a file that ends in .svg, .png or .html (one file, nothing loaded from elsewhere)."""
    drawn = scene(found, facts)
    if path.suffix.lower() != _HTML:
        _draw(drawn, path)
        return
    with tempfile.TemporaryDirectory() as folder:
        drawing = Path(folder) / "front.svg"
        _draw(drawn, drawing, linked=True)
        write_text(path, _page(drawn, drawing.read_text()))


def scene(found: Findings, facts: Mapping[str, Any]) -> Scene:
    """What the drawing of these findings shows."""
    dots = [_dot(found, index) for index in range(len(found.rows))]
    measured = [row.configuration in found.measured for row in found.rows]
    return Scene(
        measured=[dot for dot, known in zip(dots, measured, strict=True) if known],
        composed=[dot for dot, known in zip(dots, measured, strict=True) if not known],
        front=[dots[index] for index in found.front],
        steps=[dots[index] for index in front(found.prices)],
        suspects=_suspects(found, facts),
        anchors=_anchors(found, dots),
        heading=f"{facts['network']} on {facts['device']}: what each configuration costs",
        caption=_caption(facts, sum(measured)),
        energy=f"energy per request, J (account {found.account.value})",
    )


def _dot(found: Findings, index: int) -> Dot:
    row = found.rows[index]
    latency_ms, energy_j = float(found.prices.latency_ms[index]), float(found.prices.energy_mj[index]) / 1000
    how = "measured" if row.configuration in found.measured else "composed"
    figures = ", ".join(sorted({*latency_kinds(row), *energy_kinds(row, found.account)})) or "of unknown kind"
    accuracy = "unknown" if row.accuracy is None else f"{row.accuracy:.3f}"
    title = (
        f"{row.configuration}\n{latency_ms:.1f} ms, {energy_j:.3g} J, accuracy {accuracy}\n"
        f"configuration {how}, figures {figures}"
    )
    return Dot(latency_ms, energy_j, title, row.accuracy)


def _suspects(found: Findings, facts: Mapping[str, Any]) -> list[Dot]:
    dots = []
    for suspect, told in zip(found.suspects, facts["suspects"], strict=True):
        item = found.measurements[suspect.measurement_index]
        latency_ms, energy_mj = objectives(item, found.account)
        title = (
            f"suspect: {item.configuration}\n{suspect.figure} {suspect.recorded:.1f}, expected {suspect.expected:.1f} "
            f"(x {suspect.ratio:.2f})\n{suspect.cause}\n{told['where']}"
        )
        dots.append(Dot(latency_ms, energy_mj / 1000, title))
    return dots


def _anchors(found: Findings, dots: Sequence[Dot]) -> dict[str, Dot]:
    """Cloud-only and edge-only: the fastest of them at the highest clock; and the ends of the front."""
    parts, prices = found.parts, found.prices
    anchors = {}
    for name, cut in (("cloud-only", 0), ("edge-only", found.space.edge_only_cut)):
        ends = np.flatnonzero(parts.cut == cut)
        if len(ends):
            top = ends[parts.cpu_khz[ends] == parts.cpu_khz[ends].max()]
            anchors[name] = dots[int(top[prices.latency_ms[top].argmin()])]
    anchors["fastest"] = dots[int(prices.latency_ms.argmin())]
    anchors["least energy"] = dots[int(prices.energy_mj.argmin())]
    return anchors


def _caption(facts: Mapping[str, Any], shown: int) -> str:
    """`shown`: how many configurations are drawn as they were measured."""
    link = Link.from_json(facts["link"])
    provenance = sorted({kind for row in facts["front"] for sort in row["provenance"].values() for kind in sort})
    fate = "trusted all the same" if facts["trust_all"] else "left out"
    suspects = f"; {len(facts['suspects'])} suspect figures, {fate}" if facts["suspects"] else ""
    lost = facts["measured"] - shown
    contradicted = f" (of {lost} only what is suspect: {shown} are drawn so)" if lost else ""
    return (
        f"Account {facts['account']}. Link: {link.rtt_ms:.1f} ms, {link.up_bytes_per_ms * 8e-3:.1f} Mbit/s up.\n"
        f"{facts['measured']} of {facts['space']} configurations measured{contradicted}, method {facts['method']}{suspects}. "
        f"Figures: {', '.join(provenance) or 'of unknown kind'}."
    )


def _draw(drawn: Scene, path: Path, *, linked: bool = False) -> None:
    """With `linked`, each dot is a link to its number, which `_page` turns into a title."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        axes = figure.subplots()
        _draw_front(axes, drawn)
        _draw_dots(figure, axes, drawn, linked=linked)
        _name_anchors(axes, drawn.anchors)
        _dress(axes, drawn)
        figure.suptitle(drawn.heading, fontsize=12, x=0.01, ha="left")
        figure.supxlabel(drawn.caption, fontsize=8, x=0.01, ha="left", color="#555555")
        save(figure, path)


def _draw_front(axes: Axes, drawn: Scene) -> None:
    """The line goes through what is best by latency and energy; what is above it is on the front for its accuracy."""
    axes.step(*_places(drawn.steps), where="post", color=_RED, linewidth=1.3, zorder=2)
    count, above = len(drawn.front), len(drawn.front) - len(drawn.steps)
    label = f"front ({count}{f', {above} for accuracy' if above else ''})"
    latencies, energies = _places(drawn.front)
    axes.scatter(latencies, energies, s=62, facecolors="none", edgecolors=_RED, linewidths=1.1, zorder=4, label=label)


def _places(dots: Sequence[Dot]) -> tuple[list[float], list[float]]:
    return [dot.latency_ms for dot in dots], [dot.energy_j for dot in dots]


def _draw_dots(figure: Figure, axes: Axes, drawn: Scene, *, linked: bool) -> None:
    known = [dot.accuracy for dot in _all(drawn) if dot.accuracy is not None]
    scale = (min(known), max(known)) if known else None
    shown = None
    groups = (("composed", drawn.composed, _SMALL, 0.8), ("measured", drawn.measured, _LARGE, 1.0))
    first = 0
    for name, dots, area, opacity in groups:
        if dots:
            links = [f"#dot{first + place}" for place in range(len(dots))] if linked else None
            shown = _scatter(axes, dots, area, scale, alpha=opacity, label=f"{name} ({len(dots)})", urls=links)
            first += len(dots)
    if drawn.suspects:
        axes.scatter(
            [dot.latency_ms for dot in drawn.suspects],
            [dot.energy_j for dot in drawn.suspects],
            s=30, marker="x", color=_ORANGE, linewidths=1.2, zorder=5, label=f"suspect ({len(drawn.suspects)})",
            urls=[f"#dot{first + place}" for place in range(len(drawn.suspects))] if linked else None,
        )  # fmt: skip
    if scale and shown is not None:
        figure.colorbar(shown, ax=axes, label="accuracy (grey: unknown)", pad=0.01, aspect=40)


def _scatter(
    axes: Axes,
    dots: Sequence[Dot],
    area: float,
    scale: tuple[float, float] | None,
    **looks: Any,
) -> Any:
    import matplotlib as mpl

    places = [dot.latency_ms for dot in dots], [dot.energy_j for dot in dots]
    if scale is None:
        return axes.scatter(*places, s=area, c=_BLUE if area == _LARGE else _GREY, linewidths=0, zorder=3, **looks)
    colours = mpl.colormaps["viridis"].with_extremes(bad=_GREY)
    accuracy = np.ma.masked_invalid([math.nan if dot.accuracy is None else dot.accuracy for dot in dots])
    return axes.scatter(
        *places, s=area, c=accuracy, cmap=colours, vmin=scale[0], vmax=scale[1], plotnonfinite=True,
        linewidths=0, zorder=3, **looks,
    )  # fmt: skip


def _name_anchors(axes: Axes, anchors: Mapping[str, Dot]) -> None:
    """Each name at its dot, several at one dot together."""
    names: dict[tuple[float, float], list[str]] = {}
    for name, dot in anchors.items():
        names.setdefault((dot.latency_ms, dot.energy_j), []).append(name)
    for place, found in names.items():
        axes.annotate(
            f"{', '.join(found)}\n{place[0]:,.0f} ms, {place[1]:.3g} J",
            xy=place,
            xytext=_OFFSETS[found[0]],
            textcoords="offset points",
            fontsize=8.5,
            va="center",
            arrowprops={"arrowstyle": "-", "color": "#555555", "linewidth": 0.7, "shrinkB": 4},
            zorder=6,
        )


def _dress(axes: Axes, drawn: Scene) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    dots = [*_all(drawn), *drawn.suspects]
    for axis, figures, scale in (
        (axes.xaxis, [dot.latency_ms for dot in dots], axes.set_xscale),
        (axes.yaxis, [dot.energy_j for dot in dots], axes.set_yscale),
    ):
        if min(figures) > 0 and max(figures) / min(figures) > _WIDE:
            scale("log")
            axis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
            axis.set_minor_formatter(NullFormatter())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 10 else f"{value:g}"))
    axes.margins(x=0.08, y=0.12)
    axes.set_xlabel("latency, ms")
    axes.set_ylabel(drawn.energy)
    axes.grid(color="#E8E8E8", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), frameon=False, fontsize=8.5, ncols=4)


def _all(drawn: Scene) -> list[Dot]:
    """In the order in which they are drawn."""
    return [*drawn.composed, *drawn.measured]


_LINK = re.compile(r'<a xlink:href="#dot(\d+)"[^>]*>(.*?)</a>', re.DOTALL)


def _page(drawn: Scene, drawing: str) -> str:
    """The drawing as a page of its own: each dot tells what it is when the mouse is on it."""
    titles = [dot.title for dot in [*_all(drawn), *drawn.suspects]]

    def titled(link: re.Match[str]) -> str:
        return f'<g class="dot"><title>{html.escape(titles[int(link[1])])}</title>{link[2]}</g>'

    return _PAGE.format(
        title=html.escape(drawn.heading),
        drawing=_LINK.sub(titled, drawing[drawing.index("<svg") :]),
        caption=html.escape(drawn.caption),
        rows="\n".join(
            f"<tr><td>{dot.latency_ms:.1f}</td><td>{dot.energy_j:.4g}</td><td>{html.escape(dot.title.splitlines()[0])}</td></tr>"
            for dot in drawn.front
        ),
    )


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 15px sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em; color: #222 }}
svg {{ width: 100%; height: auto }}
.dot:hover {{ opacity: .5; cursor: help }}
table {{ border-collapse: collapse }}
th, td {{ padding: .2em .9em; text-align: right; border-bottom: 1px solid #ddd }}
td:last-child, th:last-child {{ text-align: left }}
</style>
</head>
<body>
{drawing}
<h2>The front</h2>
<table>
<thead><tr><th>latency, ms</th><th>energy, J</th><th>configuration</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
<p>{caption}</p>
</body>
</html>
"""
