"""The figures of cluster planning for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from tools.benches.circumstances import told
from tools.benches.tables import middle_cells, spread_cells, table_of, targets_table


def show(facts: Mapping[str, Any], out: Console) -> None:
    """Prints each part, then what all figures were held against."""
    out.print(_instances(facts["instances"]))
    out.print(_large(facts["large"]))
    out.print(_mixed(facts["mixed"]))
    out.print(_boards(facts["boards"]))
    out.print(targets_table(facts["targets"]))
    out.print(f"Bottlenecks: estimated, bytes over rates. CPU times: measured on {told(facts)}")


def _instances(found: Mapping[str, Any]) -> Table:
    table = table_of(
        "published instances: seconds between inferences (published in brackets)",
        *("instance", "exact", "CPU s", "kpath, of 20 seeds", "greedy", "random, mean", "best of 200"),
    )
    for name, each in found.items():
        was, kpath, random = each["published"], each["kpath"], each["random"]
        table.add_row(
            name,
            _beside(each["exact"]["value_s"], was["exact_s"]),
            f"{each['cpu_s']:.3f}",
            _beside(kpath and kpath["median"], was["kpath_s"], _range(kpath)),
            _beside(each["greedy_s"], was["greedy_s"]),
            _beside(random and random["mean_s"], was["random_mean_s"]),
            _figure(random and random["best_s"]),
        )
    return table


def _large(found: Sequence[Mapping[str, Any]]) -> Table:
    table = table_of("large clusters", "network", "nodes", "MiB", "seed", "bottleneck s", "stages", "gap %", "CPU s")
    for each in found:
        gap = "proven" if each["proven"] else "?" if each["gap"] is None else f"{each['gap'] * 100:.2f}"
        table.add_row(
            each["network"],
            *(str(each[name]) for name in ("nodes", "memory_mib", "seed")),
            _figure(each["value_s"]),
            str(each["stages"] or "none"),
            gap,
            f"{each['cpu_s']:.2f}",
        )
    return table


def _mixed(found: Mapping[str, Any]) -> Table:
    table = table_of(
        "mixed memory: bottleneck with all nodes as the smallest, over that with what each has",
        *("instance", "seeds", "median", "quartiles", "range", "fits one node", "no plan as smallest", "no plan"),
    )
    for name, each in found.items():
        loss = each["loss"]
        table.add_row(
            name,
            str(loss["repeats"] if loss else 0),
            *((*middle_cells(loss, 3), spread_cells(loss, 3)[1]) if loss else ("", "", "")),
            *(str(each[name]) for name in ("fits_one_node", "no_plan_as_smallest", "no_plan")),
        )
    return table


def _boards(found: Mapping[str, Any]) -> Table:
    table = table_of(
        "mixed boards: bottleneck s of the published model's plan, and of one that counts computing",
        *("network", "seeds", "published model", "counts computing", "ratio", "quartiles"),
    )
    for name, each in found.items():
        table.add_row(
            name,
            str(each["seeds"]),
            *(_figure(each[key]["median"]) for key in ("published_s", "full_s")),
            *middle_cells(each["gain"], 3),
        )
    return table


def _beside(ours: float | None, published: float | None, spread: str = "") -> str:
    return f"{_figure(ours)}{spread} ({_figure(published)})"


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


def _range(found: Mapping[str, float] | None) -> str:
    return f", {found['least']:.4g} to {found['most']:.4g}" if found and found["least"] < found["most"] else ""
