"""The store's figures for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from tools.benches.store.questions import NAMES
from tools.benches.tables import table_of, targets_table


def show(facts: Mapping[str, Any], out: Console) -> None:
    """Prints what was measured, then what it was held against."""
    for name, found in facts["databases"].items():
        out.print(_answers(f"{name}, {facts['rows']} inferences", found))
    out.print(targets_table(facts["targets"]))
    out.print(
        f"Measured on {facts['cpu']} ({facts['cores']} cores, {facts['memory_gib']} GiB, load {facts['load']}), "
        f"Python {facts['python']}; {facts['seconds']:.0f} s in all."
    )


def _answers(title: str, found: Mapping[str, Any]) -> Table:
    table = table_of(title, "question", "answers", "median ms", "range", "the first time")
    for name, figures in found.items():
        if isinstance(figures, Mapping):
            ms = figures["ms"]
            table.add_row(
                NAMES.get(name, name),
                str(figures["answers"]),
                f"{ms['median']:.1f}",
                f"{ms['least']:.1f}-{ms['most']:.1f}",
                f"{figures['first_ms']:.1f}",
            )
    return table
