"""The planner's figures for people: how the strategies fared beside what was published, and each target with its figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from tools.benches.circumstances import told
from tools.benches.tables import table_of, targets_table

_PUBLISHED = {
    "vgg16": {"cloud-only": 114, "edge-only": 5284, "fastest": 203, "energy-saver": 5416, "paper": 513},
    "vit": {"cloud-only": 14, "edge-only": 9503, "fastest": 13, "energy-saver": 9679, "paper": 1371},
}
"""Violations of 10,000 requests (DynaSplit, arXiv 2410.23881); `paper` is their own strategy in their simulation."""


def show(facts: Mapping[str, Any], out: Console) -> None:
    """Prints what was replayed, then what all figures were held against."""
    for network, found in facts["replaying"]["networks"].items():
        out.print(_strategies(network, found))
        out.print(_learned(network, found))
        out.print(_short(network, found))
    out.print(targets_table(facts["targets"]))
    out.print(f"Replayed: measured by the authors of the data. Times: measured on {told(facts)}")


def _strategies(network: str, found: Mapping[str, Any]) -> Table:
    table = table_of(
        f"{network}: 10,000 requests, all trials known, recorded outcomes",
        *("strategy", "late", "published", "median ms", "median J", "kJ edge_node"),
    )
    for name, fared in found["strategies"]["recorded"].items():
        table.add_row(
            name,
            str(fared["violations"]),
            str(_PUBLISHED[network].get(name, "")),
            f"{fared['median_latency_ms']:.1f}",
            f"{fared['median_energy_j']:.2f}",
            f"{fared['energy_j']['edge_node'] / 1e3:.1f}",
        )
    return table


def _learned(network: str, found: Mapping[str, Any]) -> Table:
    table = table_of(
        f"{network}: dynasplit by what it knew before, median (range) of the seeds",
        *("known", "outcomes", "late", "% below cloud-only"),
    )
    for world, stages in found["long"].items():
        for known, runs in stages.items():
            late, saved = runs["violations"], runs["saved"]
            table.add_row(
                "all trials" if known == "all" else f"{float(known):.0%} of the space",
                world,
                f"{late['median']:g} ({late['least']:g}-{late['most']:g})",
                f"{100 * saved['median']:.2f} ({100 * saved['least']:.2f}-{100 * saved['most']:.2f})",
            )
    return table


def _short(network: str, found: Mapping[str, Any]) -> Table:
    repeats = next(iter(found["short"].values()))["violations"]["repeats"]
    table = table_of(
        f"{network}: dynasplit on 50 requests, all trials known, median (range) of {repeats} seeds",
        *("outcomes", "late", "kJ edge_node", "median J"),
    )
    for world, runs in found["short"].items():
        late, total, median = runs["violations"], runs["total_j"], runs["median_j"]
        table.add_row(
            world,
            f"{late['median']:g} ({late['least']:g}-{late['most']:g})",
            "{:.3f} ({:.3f}-{:.3f})".format(*(total[name] / 1e3 for name in ("median", "least", "most"))),
            f"{median['median']:.2f} ({median['least']:.2f}-{median['most']:.2f})",
        )
    return table
