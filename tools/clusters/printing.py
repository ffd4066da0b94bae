"""A plan for people, on stderr."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tools.clusters.in_words import counted, duration, mib

_HEADINGS = ("stage", "from", "until", "on", "MiB", "of", "busy\nms", "sends\nkB", "as", "in ms")
_TEXTS = ("from", "until", "on", "as")


def show(facts: Mapping[str, Any], out: Console) -> None:
    """The stages, and below them what the plan gives, what limits it, and how sure it is that none is better."""
    table = Table(title=escape(_title(facts)), box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in _HEADINGS:
        table.add_column(heading, justify="left" if heading in _TEXTS else "right", overflow="fold")
    for number, stage in enumerate(facts["stages"], start=1):
        table.add_row(str(number), *map(escape, _cells(facts, stage, number)))
    out.print(table)
    for line in _lines(facts):
        out.print(escape(line))


def _title(facts: Mapping[str, Any]) -> str:
    return f"{facts['instance']}: {counted(len(facts['stages']), 'stage')} on {counted(len(facts['nodes']), 'node')}"


def _cells(facts: Mapping[str, Any], stage: Mapping[str, Any], number: int) -> Sequence[str]:
    sent = [each["seconds"] for each in facts["transmissions"] if each["boundary"] == number]
    return (
        stage["after"],
        stage["until"],
        ", ".join(map(str, stage["nodes"])),
        mib(stage["memory_bytes"]),
        mib(min(stage["capacity_bytes"])),
        _figure(max(stage["busy_s"]) * 1e3) if max(stage["busy_s"]) else "",
        _figure(stage["sends_bytes"] / 1e3) if sent else "",
        (stage["codec"] or "") if sent else "",
        _figure(max(sent) * 1e3) if sent else "",
    )


def _lines(facts: Mapping[str, Any]) -> Sequence[str]:
    kinds = ", ".join(facts["provenance"]["bottleneck_s"])
    rate = f"{facts['per_second']:.3g} inferences per second" if facts["per_second"] else "nothing takes time"
    limit = f", limited by {facts['limit']['words']}" if facts["limit"] else ""
    lines = [
        f"one inference every {duration(facts['bottleneck_s'])} ({rate}){limit}; "
        f"one alone takes {duration(facts['latency_s'])} ({kinds})"
    ]
    if facts["energy_j"] is not None:
        kinds = ", ".join(facts["provenance"]["energy_j"])
        lines.append(
            f"{facts['energy_j']:.3g} J an inference with one every {duration(facts['period_s'])}, "
            f"of all nodes that take part ({kinds})"
        )
    return [*lines, f"{_proof(facts)} ({facts['seconds']:.2f} s)", *facts["notes"]]


def _proof(facts: Mapping[str, Any]) -> str:
    if facts["proved_optimal"]:
        return f"proven: no plan has a lower {_quantity(facts)}"
    if facts["method"] != "exact":
        return f"found by {facts['method']}, which proves nothing"
    bound = "nothing" if facts["lower_bound"] is None else f"{facts['lower_bound']:.4g} {facts['unit']}"
    gap = "unknown" if facts["gap"] is None else f"{facts['gap']:.1%} at most"
    return f"not proven: the {_quantity(facts)} of any plan is at least {bound}, the gap {gap}"


def _quantity(facts: Mapping[str, Any]) -> str:
    return {"throughput": "time between inferences", "latency": "latency", "energy": "energy"}[facts["objective"]]


def _figure(value: float) -> str:
    """With one decimal; what would show as nothing is said to be little."""
    return f"{value:,.1f}" if value >= 0.05 else "<0.1"
