"""What was spent and what was saved, day by day."""

from __future__ import annotations

import html
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.output import write_text
from tools.plots.figures import FORMATS, STYLE, check_plot_target, save
from tools.reports.showing import figure as digits
from tools.reports.showing import scale, sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE, _GREEN, _RED, _GREY = "#0072B2", "#009E73", "#D55E00", "#9AA5AE"
"""Told apart by people who see colours differently (Okabe and Ito, 2008)."""

_HTML = ".html"
_SIZE_INCHES = (9.0, 5.0)
_BAR_WIDTH = 0.72
_MOST_NAMES = 12

Day = Mapping[str, Any]


def check_target(path: Path) -> None:
    """InvalidInput when nothing could be drawn there later, ServiceMissing without matplotlib."""
    check_plot_target(path, formats=(*FORMATS, _HTML))


def draw_saved(facts: Mapping[str, Any], path: Path) -> None:
    """Draws what `dynasplit report` found to a file that ends in .svg, .png or .html (one file, nothing loaded from elsewhere)."""
    if path.suffix.lower() != _HTML:
        _draw(facts, path)
        return
    with tempfile.TemporaryDirectory() as folder:
        drawing = Path(folder) / "saved.svg"
        _draw(facts, drawing)
        write_text(path, _page(facts, drawing.read_text()))


def _draw(facts: Mapping[str, Any], path: Path) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        axes = figure.subplots()
        size, unit = _scale(facts["days"])
        if facts["days"]:
            _draw_days(axes, facts, size)
        axes.set_ylabel(f"{unit} a day, account {facts['account']}")
        figure.suptitle(sentence(facts), fontsize=11.5, x=0.01, ha="left", wrap=True)
        figure.supxlabel(_caption(facts), fontsize=8, x=0.01, ha="left", color="#555555")
        save(figure, path)


def _draw_days(axes: Axes, facts: Mapping[str, Any], size: float) -> None:
    days: Sequence[Day] = facts["days"]
    places: Any = [date.fromisoformat(day["day"]) for day in days]
    known = [(day["compared_spent_kwh"] or 0.0) / size for day in days]
    partly = [day["compared_answers"] < day["answers"] for day in days]
    other = [(day["spent_kwh"] / size - part) * more for day, part, more in zip(days, known, partly, strict=True)]
    saved = [(day["saved_kwh"] or 0.0) / size for day in days]
    against = facts["against"]
    over = [max(0.0, -part) for part in saved]
    under = [part - more for part, more in zip(known, over, strict=True)]
    axes.bar(places, under, _BAR_WIDTH, color=_BLUE, label=f"spent by {facts['strategy']}")
    _stack(axes, places, [max(0.0, part) for part in saved], known, colour=_GREEN, label=f"saved against {against}")
    _stack(axes, places, over, under, colour=_RED, label=f"spent beyond what {against} would have")
    tops = [part + max(0.0, more) for part, more in zip(known, saved, strict=True)]
    label = f"spent, not comparable with {against}"
    _stack(axes, places, other, tops, colour=_GREY, label=label)
    _dress(axes, places)


def _stack(
    axes: Axes, places: Any, heights: Sequence[float], bottoms: Sequence[float], *, colour: str, label: str
) -> None:
    """Bars on top of others, with a light fill; none where there is nothing to show."""
    if max(heights) > 0:
        axes.bar(
            places,
            heights,
            _BAR_WIDTH,
            bottom=bottoms,
            facecolor=(colour, 0.35),
            edgecolor=colour,
            linewidth=0.8,
            label=label,
        )


def _dress(axes: Axes, places: Sequence[date]) -> None:
    marked: Any = places[:: -(-len(places) // _MOST_NAMES)]
    axes.set_xticks(marked, [f"{day:%d %b}" for day in marked])
    room = timedelta(days=max(0, 3 - len(places)) + 1)
    first: Any = places[0] - room
    last: Any = places[-1] + room
    axes.set_xlim(first, last)
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color="#E8E8E8", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), frameon=False, ncols=2, fontsize=8.5)


def _caption(facts: Mapping[str, Any]) -> str:
    kinds = facts["total"]["provenance"]
    told = {name: " + ".join(kinds[name]) or "none" for name in kinds}
    bases = sorted({line["baseline"]["from"] for line in facts["lines"]})
    return (
        f"{facts['period']} UTC, from {facts['source']:.90}\nspent: {told['spent_kwh']}; {facts['against']}: "
        f"{told['baseline_kwh']} (from {', '.join(bases)})"
    )


def _scale(days: Sequence[Day]) -> tuple[float, str]:
    return scale(max(max(day["spent_kwh"], day["baseline_kwh"] or 0.0) for day in days) if days else 0.0)


def _page(facts: Mapping[str, Any], drawing: str) -> str:
    size, unit = _scale(facts["days"])
    headings = ("day (UTC)", "answers", f"spent, {unit}", f"{facts['against']}, {unit}", f"saved, {unit}")
    rows = [
        (day["day"], f"{day['answers']:,}", *(_cell(day[name], size) for name in _COLUMNS)) for day in facts["days"]
    ]
    return _PAGE.format(
        title=html.escape(sentence(facts)),
        drawing=drawing[drawing.index("<svg") :],
        headings="".join(f"<th>{html.escape(heading)}</th>" for heading in headings),
        rows="\n".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows),
        caption=html.escape(_caption(facts)),
    )


def _cell(kwh: float | None, size: float) -> str:
    return "unknown" if kwh is None else digits(kwh / size)


_COLUMNS = ("spent_kwh", "baseline_kwh", "saved_kwh")

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 15px sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em; color: #222 }}
svg {{ width: 100%; height: auto }}
table {{ border-collapse: collapse }}
th, td {{ padding: .2em .9em; text-align: right; border-bottom: 1px solid #ddd }}
</style>
</head>
<body>
{drawing}
<table>
<thead><tr>{headings}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
<p>{caption}</p>
</body>
</html>
"""
