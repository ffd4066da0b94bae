"""The agent's figures for people: its overhead beside what was published, its processes, and each target with its figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from tools.benches.circumstances import told
from tools.benches.tables import spread_cells, table_of, targets_table


def show(facts: Mapping[str, Any], out: Console) -> None:
    """Prints what was measured, then what it was held against."""
    out.print(_overhead(facts["overhead"]))
    out.print(_idle(facts["idle"]))
    out.print(targets_table(facts["targets"]))
    out.print(f"Measured on {told(facts)}")
    out.print(
        "Published (arXiv 2410.23881), on a Raspberry Pi 4: 4 to 9 ms to choose a configuration, over 100 ms to apply it."
    )


def _overhead(found: Mapping[str, Any]) -> Table:
    table = table_of(
        f"beside head, wire and tail, ms ({found['busy']:.0%} of all cores in use)",
        *("strategy", "median", "range", "quietest round", "before the outputs", "front's CPU"),
    )
    for strategy, spent in found["overhead_ms"].items():
        table.add_row(
            strategy,
            *spread_cells(spent, 2),
            f"{found['quietest_ms'][strategy]:.2f}",
            f"{found['inside_ms'][strategy]['median']:.2f}",
            f"{found['cpu_ms'][strategy]['median']:.2f}",
        )
    return table


def _idle(found: Mapping[str, Any]) -> Table:
    """A page that processes share counts once in PSS, and in each of them in RSS."""
    table = table_of("idle", "agent", "process", "RSS MiB", "PSS MiB", "CPU %")
    for agent, figures in found.items():
        for process in figures["processes"]:
            table.add_row(agent, process["name"], *_row(process))
        table.add_row(agent, "all", *_row(figures))
    return table


def _row(figures: Mapping[str, float]) -> tuple[str, ...]:
    return f"{figures['rss_mib']:.1f}", f"{figures['pss_mib']:.1f}", f"{figures['cpu_percent']:.2f}"
