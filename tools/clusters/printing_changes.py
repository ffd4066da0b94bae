"""What a change takes, and how losses are outlived, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tools.clusters.in_words import counted, mib


def show_changes(facts: Mapping[str, Any], out: Console) -> None:
    """Tables of moves and of copies, with what follows from them; nothing where neither was asked for."""
    if change := facts.get("change"):
        if change["moves"]:
            out.print(_table("what has to be moved", ("to", "from", "pieces", "MiB", "s"), _moves(change)))
        for line in _change_lines(change, facts["unit"]):
            out.print(escape(line))
    if survival := facts.get("survival"):
        out.print(_table("what each node holds", ("node", "pieces", "MiB", "of"), _copies(survival)))
        for line in _survival_lines(survival):
            out.print(escape(line))


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in ("MiB", "of", "s") else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _moves(change: Mapping[str, Any]) -> Sequence[Sequence[str]]:
    return [
        (
            str(move["to"]),
            "the dispatcher" if move["from"] is None else str(move["from"]),
            f"{move['first']}-{move['last']}",
            mib(move["bytes"]),
            "unknown" if move["seconds"] is None else f"{move['seconds']:.4g}",
        )
        for move in change["moves"]
    ]


def _change_lines(change: Mapping[str, Any], unit: str) -> Sequence[str]:
    fewest = "proven to be the fewest" if change["fewest_proven"] else "not proven to be the fewest"
    near = (
        f"bytes that move for a plan within {change['tolerance']:.0%} of the best ({change['best_value']:.4g} {unit})"
    )
    if change["stays"]:
        return [
            f"the running plan stays: it is within {change['tolerance']:.0%} of the best ({change['best_value']:.4g} {unit})"
        ]
    lasts = (
        "for how long nobody can say" if change["moving_s"] is None else f"for {change['moving_s']:.4g} s (estimated)"
    )
    moved = f"{mib(change['moved_bytes'])} MiB move, {fewest} {near}; the pipeline stands still {lasts}"
    return [moved, _verdict(change, unit)]


def _verdict(change: Mapping[str, Any], unit: str) -> str:
    if not change["runs_still"]:
        return "the running plan cannot run any more: move at once"
    now = f"the running plan gives {change['running_value']:.4g} {unit}"
    if not change["running_served"]:
        return f"{now}, too slow for --floor: move at once"
    if not change["pays"]:
        return f"{now}: moving never pays"
    if change["after_s"] is None:
        return f"{now}: moving pays, after how long nobody can say"
    return f"{now}: moving pays after {change['after_s']:.4g} s, or {change['after_inferences']:.4g} inferences"


def _copies(survival: Mapping[str, Any]) -> Sequence[Sequence[str]]:
    return [
        (
            str(each["node"]),
            ", ".join(f"{first}-{last}" for first, last in each["pieces"]),
            mib(each["weight_bytes"]),
            "" if each["capacity_bytes"] is None else mib(each["capacity_bytes"]),
        )
        for each in survival["held"]
    ]


def _survival_lines(survival: Mapping[str, Any]) -> Sequence[str]:
    worst, losses = survival["worst"], survival["losses"]
    names = " and ".join(f"node {each}" for each in worst["nodes"])
    grows = "" if worst["loss"] is None else f", {worst['loss']:+.1%}"
    least = f"at least {mib(survival['least_spare_bytes'])} MiB are needed"
    proof = "proven to be the fewest" if survival["fewest_proven"] else least
    return [
        f"survives the loss of any {counted(losses, 'node')} without moving weights ({survival['checked']} losses tried): "
        f"at worst, without {names}, one inference every {worst['bottleneck_s']:.4g} s{grows}",
        f"{mib(survival['spare_bytes'])} MiB of spare copies ({proof})",
    ]
