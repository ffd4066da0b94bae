"""The demo's result for people: a table with provenance in its caption, and one sentence on what it means."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import psutil
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from planner.choosing.strategies import STRATEGIES

OVERRUNS_TO_TELL = 0.05
"""The share of requests above which it is told that this machine could not keep up with the emulated device."""

DISTURBANCE_TO_TELL = 0.1
"""The share of a strategy's requests that went otherwise than chosen above which its energies compare with nothing."""

_PACKAGES = ("dynasplit", "ai-edge-litert", "numpy")


def machine() -> dict[str, Any]:
    """What this ran on: processor architecture, cores, memory, how loaded it is (1 minute), system and versions."""
    return {
        "architecture": platform.machine(),
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load": round(psutil.getloadavg()[0], 2),
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
    }


def show(facts: Mapping[str, Any], out: Console) -> None:
    """Prints the comparison."""
    out.print()
    out.print(_table(facts))
    out.print(f"[bold]{sentence(facts['strategies'])}[/]")
    for line in remarks(facts):
        out.print(line)


def remarks(facts: Mapping[str, Any]) -> list[str]:
    """What else a reader must know to read the table right."""
    strategies = facts["strategies"].values()
    requests, fallbacks, refused = (
        sum(part[name] for part in strategies) for name in ("requests", "fallbacks", "refused")
    )
    said = [f"{facts['stored_inferences']} of {requests} inferences are in the store; {facts['seconds']:.0f} s in all."]
    if fallbacks:
        said.append(
            f"{_requests(fallbacks)} finished on the device because the cloud did not answer, and marked so; what the cloud "
            "spent on them in vain is not known and not counted."
        )
    if refused:
        said.append(
            f"[red]{_requests(refused)} not answered: late in the table, missing from its energies and accuracy.[/]"
        )
    if facts["overruns"] > OVERRUNS_TO_TELL * requests:
        said.append(
            f"[red]This machine was slower than the emulated device on {facts['overruns']} of {requests} requests: "
            "their emulated times and energies are too high.[/]"
        )
    if not facts["complete"]:
        said.append("[red]Some inferences did not reach the store: see the logs.[/]")
    return said


def _requests(count: int) -> str:
    return "1 request was" if count == 1 else f"{count} requests were"


def _table(facts: Mapping[str, Any]) -> Table:
    """Nine columns that fit into 80 characters."""
    strategies: Mapping[str, Mapping[str, Any]] = facts["strategies"]
    table = Table(
        title=f"{facts['network']}: the same requests by {len(strategies)} strategies",
        caption=_caption(facts),
        caption_justify="left",
        box=SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
    )
    table.add_column("strategy", no_wrap=True)
    for heading in ("late", "median\nms", "p95\nms", "J\nedge", "J edge_\nactive", "J edge_\nnode", "accu-\nracy"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("% in cloud/\nboth/device", justify="right", no_wrap=True)
    for name, part in strategies.items():
        energy = part["energy_j"]
        table.add_row(
            name,
            f"{part['violations']}/{part['requests']}",
            _figure(part["median_latency_ms"], 1),
            _figure(part["p95_latency_ms"], 1),
            *(_figure(energy[account], 1) for account in ("edge", "edge_active", "edge_node")),
            _figure(part["accuracy"], 3),
            where(part["ran"]),
            style="bold" if name == STRATEGIES[0] else None,
        )
    return table


def where(ran: Mapping[str, int]) -> str:
    """Percentages of the answers that came about in the cloud, on both sides of a cut, and on the device."""
    total = sum(ran.values()) or 1
    return "/".join(f"{100 * ran[place] / total:.0f}" for place in ("cloud", "both", "device"))


def _figure(value: float | None, digits: int) -> str:
    return "unknown" if value is None else f"{value:.{digits}f}"


def _caption(facts: Mapping[str, Any]) -> str:
    kinds = {name: part["provenance"] for name, part in facts["strategies"].items()}
    union = {
        figure: " + ".join(sorted({kind for part in kinds.values() for kind in part[figure]}))
        for figure in next(iter(kinds.values()))
    }
    node = facts["node"]
    return (
        f"Energies are totals. latency: {union['median_latency_ms']}; J edge: {union['energy_j.edge']};\n"
        f"J edge_active, edge_node: {union['energy_j.edge_node']}; accuracy: {union['accuracy']}.\n"
        "Emulated: Raspberry Pi 4 and its link. Measured: cloud times, on this machine.\n"
        f"Estimated: cloud energy, {node['busy_watts']:.0f} W busy ({node['idle_watts']:.0f} W idle assumed) x time."
    )


def sentence(strategies: Mapping[str, Mapping[str, Any]]) -> str:
    """What the comparison means, or that it did not come out as it should."""
    ours, cloud = strategies["dynasplit"], strategies["cloud-only"]
    spent, reference = ours["energy_j"]["edge_node"], cloud["energy_j"]["edge_node"]
    saving = 1 - spent / reference if reference else 0.0
    rivals = {name: strategies[name]["violations"] for name in ("edge-only", "energy-saver")}
    late = ", ".join(f"{count} for {name}" for name, count in rivals.items())
    result = (
        f"dynasplit spent {abs(saving):.0%} {'less' if saving >= 0 else 'more'} energy than cloud-only (edge_node) "
        f"and missed {ours['violations']} of {ours['requests']} deadlines, against {cloud['violations']} for cloud-only, {late}."
    )
    if disturbed := [name for name in ("dynasplit", "cloud-only") if _disturbed(strategies[name])]:
        return f"The cloud or the agent was away for part of this run ({', '.join(disturbed)}), so it compares little: {result}"
    if saving > 0 and all(ours["violations"] < count for count in rivals.values()):
        return result
    return f"This run did not come out as it should: {result}"


def _disturbed(part: Mapping[str, Any]) -> bool:
    return bool(part["refused"] + part["fallbacks"] > DISTURBANCE_TO_TELL * part["requests"])
