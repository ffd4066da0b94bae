"""Explains a decision: the rows of a table in the order of their worth, which one is chosen, and why each other one lost.

With --table, as a device decides that has just got it, in the circumstances that the options describe; with --agent, by
what that device has learned and may do now.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from planner.choosing.candidates import Candidates
from planner.choosing.explanation import explain
from planner.choosing.limits import Limits
from planner.choosing.strategies import DYNASPLIT, STRATEGIES, Request
from planner.choosing.switching import FREE, Board, Switching
from planner.learning.experience import Experience
from planner.pricing import Parts
from protocol.configuration import Account, Configuration
from protocol.errors import InvalidInput
from protocol.link import Link
from protocol.table import Table
from protocol.topics import check_name
from tools.agent import Agent
from tools.output import add_json_argument, check_json_target, console, write_json
from tools.push import read_table
from tools.tokens import add_agent_token

SUMMARY = "why a configuration is chosen, and each other one is not"

_BYTES_PER_MS = 125.0
"""In one Mbit/s."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--table", type=Path, metavar="TABLE.json", help="a table made by dynasplit optimize")
    source.add_argument("--agent", metavar="URL", help="ask a device for what it would do now (operator token)")
    parser.add_argument("--network", help="which of the agent's networks")
    add_agent_token(parser)
    parser.add_argument("--deadline", type=float, metavar="MS", help="what is left of it; without it the cheapest")
    parser.add_argument("--account", choices=[account.value for account in Account], help="whose energy counts")
    parser.add_argument("--min-accuracy", type=float, metavar="SHARE", help="what the request wants at least")
    parser.add_argument("--strategy", choices=STRATEGIES, help="another rule than dynasplit")
    _add_circumstances(parser)
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="print so many rows (default 20; 0: all)")
    add_json_argument(parser)


def _add_circumstances(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("circumstances, with --table")
    group.add_argument("--rtt", type=float, metavar="MS", help="round-trip time to the cloud; else the table's")
    group.add_argument("--uplink", type=float, metavar="MBIT", help="Mbit/s; else the table's")
    group.add_argument("--downlink", type=float, metavar="MBIT", help="Mbit/s; else the table's")
    group.add_argument("--cloud-away", action="store_true", default=None, help="the cloud cannot be reached")
    group.add_argument("--min-cut", type=int, metavar="N", help="nothing may leave the device before this cut")
    group.add_argument("--bytes-left", type=float, metavar="N", help="bytes that may still be sent today")
    group.add_argument("--clock", type=float, metavar="MHZ", help="how the board is set now, its accelerator off")
    group.add_argument("--switch-ms", type=float, metavar="MS", help="what it takes to change that, or to wake it")
    group.add_argument("--behind", metavar="MS,MS,…", help="what is left of the deadlines of those who wait behind it")


def run(arguments: argparse.Namespace) -> int:
    check_json_target(arguments.json)
    _check(arguments)
    facts = _by_agent(arguments) if arguments.agent else _by_table(arguments)
    _show(facts, limit=arguments.limit)
    write_json(arguments.json, facts)
    return 1 if facts["chosen"] is None else 0


def _check(arguments: argparse.Namespace) -> None:
    if arguments.deadline is not None and not 0 < arguments.deadline < math.inf:
        raise InvalidInput(
            f"--deadline must be a number of ms above 0, not {arguments.deadline}; leave it out for none"
        )
    if arguments.limit < 0:
        raise InvalidInput(f"--limit must be 0 or more rows, not {arguments.limit}")
    if arguments.agent and not arguments.network:
        raise InvalidInput("--agent needs --network: which of its networks is it about?")
    if arguments.network:
        check_name(arguments.network, what="--network")
    given = [name for name in _CIRCUMSTANCES if getattr(arguments, name) is not None]
    if arguments.agent and given:
        raise InvalidInput(f"--{given[0].replace('_', '-')} goes with --table; an agent knows its own circumstances")
    if (arguments.clock is None) != (arguments.switch_ms is None):
        raise InvalidInput("--clock and --switch-ms go together: how the board is set, and what a change of that takes")


_CIRCUMSTANCES = (
    "rtt",
    "uplink",
    "downlink",
    "cloud_away",
    "min_cut",
    "bytes_left",
    "clock",
    "switch_ms",
    "behind",
)


def _by_agent(arguments: argparse.Namespace) -> dict[str, Any]:
    asked = {
        "deadline_ms": arguments.deadline,
        "account": arguments.account,
        "min_accuracy": arguments.min_accuracy,
        "strategy": arguments.strategy,
    }
    parameters = {name: value for name, value in asked.items() if value is not None}
    facts = Agent(arguments.agent, token=arguments.token).explain(arguments.network, parameters)
    rows = facts.get("candidates")
    known = isinstance(rows, list) and all(isinstance(row, dict) and row.keys() >= _OF_A_ROW for row in rows)
    if not known or not facts.keys() >= _OF_ALL:
        raise InvalidInput(
            f"agent {arguments.agent} did not answer with an explanation; is it ours, and of this version?"
        )
    return {"network": arguments.network, **facts}


_OF_ALL = {
    "strategy",
    "account",
    "deadline_ms",
    "link",
    "cloud_available",
    "min_cut",
    "bytes_left",
    "learned_from",
    "refused",
    "chosen",
}
_OF_A_ROW = {
    "configuration",
    "latency_ms",
    "margin_ms",
    "energy_mj",
    "hoped_mj",
    "accuracy",
    "why",
    "text",
    "provenance",
}
"""What is printed, and so must be there."""


def _by_table(arguments: argparse.Namespace) -> dict[str, Any]:
    table = read_table(arguments.table)
    parts = Parts.of(table.rows)
    candidates = Candidates(
        table.rows,
        parts,
        _link(arguments, table),
        experience=Experience.of(parts),
        cloud_available=not arguments.cloud_away,
        limits=Limits(
            min_cut=arguments.min_cut or 0,
            bytes_left=math.inf if arguments.bytes_left is None else arguments.bytes_left,
        ),
        switching=_switching(arguments),
    )
    request = Request(
        deadline_ms=arguments.deadline,
        account=Account(arguments.account) if arguments.account else Account.EDGE_NODE,
        min_accuracy=arguments.min_accuracy,
        behind_ms=_numbers(arguments.behind) if arguments.behind else (),
    )
    return {"network": table.network, **explain(arguments.strategy or DYNASPLIT, candidates, request).to_json()}


def _link(arguments: argparse.Namespace, table: Table) -> Link:
    for name in ("rtt", "uplink", "downlink"):
        value = getattr(arguments, name)
        if value is not None and not (0 <= value < math.inf and (value or name == "rtt")):
            bound = "0 ms or more" if name == "rtt" else "above 0 Mbit/s"
            raise InvalidInput(f"--{name} must be a number, {bound}, not {value}")
    link = table.link
    return Link(
        link.rtt_ms if arguments.rtt is None else arguments.rtt,
        link.up_bytes_per_ms if arguments.uplink is None else arguments.uplink * _BYTES_PER_MS,
        link.down_bytes_per_ms if arguments.downlink is None else arguments.downlink * _BYTES_PER_MS,
    )


def _switching(arguments: argparse.Namespace) -> Switching:
    if arguments.clock is None:
        return FREE
    if not 0 < arguments.clock < math.inf:
        raise InvalidInput(f"--clock must be a number of MHz above 0, not {arguments.clock}")
    board = Board(round(arguments.clock * 1000))
    return Switching(clock_ms=arguments.switch_ms, accelerator_ms=arguments.switch_ms, board=board)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(word) for word in text.split(","))
    except ValueError as error:
        raise InvalidInput(
            f"--behind must be milliseconds with commas between, such as 300,450, not {text!r:.40}"
        ) from error
    if not all(number > -math.inf for number in numbers):
        raise InvalidInput(f"--behind must be milliseconds, inf for no deadline, not {text!r:.40}")
    return numbers


def _show(facts: Mapping[str, Any], *, limit: int) -> None:
    from rich.markup import escape
    from rich.table import Table as Grid

    rows = facts["candidates"]
    shown = rows[: limit or None]
    grid = Grid(title=_title(facts), caption=_circumstances(facts), caption_justify="left")
    for name, side in (
        ("configuration", "left"),
        ("ms", "right"),
        ("margin", "right"),
        ("mJ", "right"),
        ("doubt", "right"),
    ):
        grid.add_column(name, justify="right" if side == "right" else "left")
    for name in ("accuracy", "why"):
        grid.add_column(name)
    for row in shown:
        grid.add_row(*map(escape, _cells(row)), style="bold" if row["why"] == "chosen" else None)
    out = console()
    out.print(grid)
    if len(shown) < len(rows):
        out.print(f"{len(rows) - len(shown)} more rows (all of them: --limit 0)")
    if facts["refused"]:
        out.print(f"no row would serve: {escape(facts['refused'])}")


def _title(facts: Mapping[str, Any]) -> str:
    deadline = "no deadline" if facts["deadline_ms"] is None else f"{facts['deadline_ms']:g} ms left"
    return f"{facts['network']}, {facts['strategy']}: {deadline}, energy of account {facts['account']}"


def _cells(row: Mapping[str, Any]) -> Sequence[str]:
    return (
        _short(Configuration.from_json(row["configuration"])),
        f"{row['latency_ms']:.1f}",
        f"{row['margin_ms']:.1f}",
        f"{row['energy_mj']:.1f}",
        f"{row['energy_mj'] - row['hoped_mj']:.1f}",
        "unknown" if row["accuracy"] is None else f"{row['accuracy']:.3f}",
        row["text"],
    )


def _short(configuration: Configuration) -> str:
    """What tells it from the plainest one at this cut and clock."""
    plain = Configuration(configuration.cut, configuration.cpu_khz)
    words = [
        f"cut {configuration.cut}, {configuration.cpu_khz / 1000:.0f} MHz",
        *(
            [f"tpu {configuration.edge_accelerator}"]
            if configuration.edge_accelerator != plain.edge_accelerator
            else []
        ),
        *([str(configuration.cloud_accelerator)] if configuration.cloud_accelerator != plain.cloud_accelerator else []),
        *([str(configuration.codec)] if configuration.codec != plain.codec else []),
        *([f"{configuration.threads} threads"] if configuration.threads != plain.threads else []),
    ]
    return ", ".join(words)


def _circumstances(facts: Mapping[str, Any]) -> str:
    """What the prices are for, and what stands behind them."""
    link = Link.from_json(facts["link"])
    kinds = sorted({kind for row in facts["candidates"] for sort in row["provenance"].values() for kind in sort})
    words = [
        f"link: {link.rtt_ms:.1f} ms, {link.up_bytes_per_ms / _BYTES_PER_MS:.1f} Mbit/s up, "
        f"{link.down_bytes_per_ms / _BYTES_PER_MS:.1f} Mbit/s down",
        "the cloud is there" if facts["cloud_available"] else "the cloud is away",
        *([f"min_cut {facts['min_cut']}"] if facts["min_cut"] else []),
        *([f"{facts['bytes_left']:.0f} bytes left today"] if facts["bytes_left"] is not None else []),
        *([f"learned from {facts['learned_from']} requests"] if facts["learned_from"] else []),
    ]
    return f"{'; '.join(words)}. Figures are {', '.join(kinds) or 'of unknown kind'}."


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["explain", *sys.argv[1:]]))
