"""How benches print: plain tables, and the figures beside what they are held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table


def table_of(title: str, *headings: str) -> Table:
    """A table whose first column is text, and whose others are figures."""
    table = Table(title=title, box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place else "left")
    return table


def middle_cells(found: Mapping[str, float], digits: int) -> tuple[str, str]:
    """Median and quartiles of `figures.middle`."""
    return f"{found['median']:.{digits}f}", f"{found['lower']:.{digits}f}-{found['upper']:.{digits}f}"


def spread_cells(found: Mapping[str, float], digits: int) -> tuple[str, str]:
    """Median and range of `figures.spread`."""
    return f"{found['median']:.{digits}f}", f"{found['least']:.{digits}f}-{found['most']:.{digits}f}"


def targets_table(targets: Sequence[Mapping[str, Any]]) -> Table:
    """The figures of `Target.to_json`, each with its limit and whether it is met."""
    table = table_of("targets", "figure", "found", "target", "")
    for target in targets:
        verdict = "[green]met" if target["met"] else "[bold red]missed"
        limit = f"{'at least' if target['at_least'] else 'at most'} {target['limit']:g}"
        table.add_row(target["name"], f"{target['figure']:g} {target['unit']}", limit, verdict)
    return table
