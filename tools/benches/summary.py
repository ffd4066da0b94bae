"""The figures for people: each target with its figure, and one line per network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from tools.benches.circumstances import told
from tools.benches.running import most_rss_mib
from tools.benches.tables import table_of, targets_table


def show(facts: Mapping[str, Any], out: Console) -> None:
    """Prints what was measured, then what it was held against."""
    out.print(_networks(facts["cutting"]))
    if facts["running"]:
        out.print(_running(facts["running"]))
    out.print(targets_table(facts["targets"]))
    out.print(f"Measured on {told(facts)}")


def _networks(cutting: Mapping[str, Any]) -> Table:
    table = table_of("cut at all points", "network", "operators", "cuts", "x network", "CPU s", "peak MiB", "exact")
    for name, found in cutting.items():
        whole = found["all"]
        wrong = sum(len(each["inexact"]) for each in found["inexact"].values())
        table.add_row(
            name,
            str(whole["operators"]),
            str(whole["cuts"]),
            f"{whole['size_ratio']:.3f}",
            f"{whole['cpu_s']:.1f}",
            f"{whole['peak_rss_mib']:.0f}",
            f"[bold red]not {wrong}" if wrong else "all",
        )
    return table


def _running(running: Mapping[str, Any]) -> Table:
    table = table_of(
        "one-tensor cuts in one process", "network", "RSS MiB", "first open ms", "reopen ms", "cut / whole, CPU"
    )
    for name, found in running.items():
        table.add_row(
            name,
            f"{most_rss_mib(found):.0f}",
            f"{found['first_open_ms']:.0f}",
            f"{found['reopen_ms']['median']:.0f}",
            f"{found['latency']['median']:.3f}",
        )
    return table
