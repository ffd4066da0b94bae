"""The store's figures for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from tools.benches.circumstances import told
from tools.benches.store.questions import NAMES
from tools.benches.tables import spread_cells, table_of, targets_table


def show(facts: Mapping[str, Any], out: Console) -> None:
    """Prints what was measured, then what it was held against."""
    for name, found in facts["databases"].items():
        out.print(_answers(f"{name}, {facts['rows']} inferences", found))
    out.print(targets_table(facts["targets"]))
    out.print(f"Measured on {told(facts)}")


def _answers(title: str, found: Mapping[str, Any]) -> Table:
    table = table_of(title, "question", "answers", "median ms", "range", "the first time")
    for name, figures in found.items():
        if isinstance(figures, Mapping):
            table.add_row(
                NAMES.get(name, name),
                str(figures["answers"]),
                *spread_cells(figures["ms"], 1),
                f"{figures['first_ms']:.1f}",
            )
    return table
