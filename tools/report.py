"""What was saved: energy, money, late answers and bytes of what DynaSplit served, held against a baseline.

What the baseline would have spent is the mean of requests that really ran with its strategy, in the same period, on the same
device and network; where there are too few, an estimate from the device's table; else it is unknown. Each line says which.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from planner.choosing.strategies import STRATEGIES
from protocol.configuration import Account
from protocol.errors import InvalidInput
from tools.backend import Backend
from tools.output import add_json_argument, check_json_target, console, write_json
from tools.plots.saved import check_target, draw_saved
from tools.push import read_table
from tools.reports.baseline import baseline_of
from tools.reports.question import Price, Question, read_period
from tools.reports.records import BackendRecords, Records, WithTables, asked_for, opened
from tools.reports.savings import facts_of, not_counted
from tools.reports.showing import show
from tools.reports.sums import OURS, Line, sum_up
from tools.tokens import add_backend_token

SUMMARY = "what was saved against a baseline"

_BASELINES = tuple(name for name in STRATEGIES if name != OURS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", default="7d", metavar="WHEN", help="7d, 24h, 90m or a date (default: %(default)s)")
    parser.add_argument("--until", metavar="WHEN", help="likewise (default: now)")
    parser.add_argument("--against", choices=_BASELINES, default="cloud-only", help="default: %(default)s")
    parser.add_argument("--devices", default="", metavar="A,B", help="only these (default: all)")
    parser.add_argument("--network", default="", help="only this one (default: all)")
    parser.add_argument(
        "--account",
        choices=[account.value for account in Account],
        default=Account.EDGE_NODE.value,
        help="whose energy counts (default: %(default)s)",
    )
    parser.add_argument("--price", type=float, metavar="PER_KWH", help="what a kWh costs; without it no money is told")
    parser.add_argument("--currency", default="", metavar="NAME", help="of the price, as in EUR")
    _add_sources(parser)
    parser.add_argument("--plot", type=Path, metavar="FILE.svg|png|html", help="draw what was spent and saved, by day")
    add_json_argument(parser)


def _add_sources(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--backend", metavar="URL", help="read a backend's store")
    source.add_argument(
        "--from",
        dest="source",
        metavar="FILE|URL",
        help="read JSON lines as GET /api/v1/inferences answers them, or a database (sqlite:///…, postgresql://…)",
    )
    add_backend_token(parser)
    parser.add_argument(
        "--table",
        dest="tables",
        type=Path,
        action="append",
        default=[],
        metavar="TABLE.json",
        help="estimate the baseline from this table of a device; may be given several times",
    )


def run(arguments: argparse.Namespace) -> int:
    question = _question(arguments, now_s=time.time())
    check_json_target(arguments.json)
    if arguments.plot:
        check_target(arguments.plot)
    with _records(arguments) as records, console().status("Reading inferences …"):
        facts = report(records, question)
    if arguments.plot:
        draw_saved(facts, arguments.plot)
    show(facts, console())
    write_json(arguments.json, facts)
    return 0


def report(records: Records, question: Question) -> dict[str, Any]:
    """The facts, as JSON holds them. InvalidInput for an unknown device, and without any request to tell about."""
    lines = sum_up(asked_for(records.inferences(question), question), question)
    silent = _silent_devices(records, question, lines)
    ours = [line for line in lines if line.ours.requests]
    others = not_counted(lines, question)
    if not ours:
        raise InvalidInput(_nothing(question, others, source=records.where))
    baselines = [baseline_of(line, question, records) for line in ours]
    facts = facts_of(ours, baselines, question, source=records.where, not_counted=others)
    return facts | {"silent_devices": silent}


def _question(arguments: argparse.Namespace, *, now_s: float) -> Question:
    if arguments.currency and arguments.price is None:
        raise InvalidInput(f"--currency {arguments.currency:.20} is of a price; add --price PER_KWH or leave it out")
    names = tuple(dict.fromkeys(name.strip() for name in arguments.devices.split(",") if name.strip()))
    if arguments.devices and not names:
        raise InvalidInput(f"--devices {arguments.devices!r:.40} names no device; leave it out for all")
    return Question(
        period=read_period(arguments.since, arguments.until, now_s=now_s),
        against=arguments.against,
        account=Account(arguments.account),
        devices=names,
        network=arguments.network,
        price=None if arguments.price is None else Price(arguments.price, arguments.currency),
    )


@contextlib.contextmanager
def _records(arguments: argparse.Namespace) -> Iterator[Records]:
    tables = [read_table(path) for path in arguments.tables]
    if arguments.backend:
        yield WithTables(BackendRecords(Backend(arguments.backend, token=arguments.token)), tables)
        return
    with opened(arguments.source) as records:
        yield WithTables(records, tables)


def _silent_devices(records: Records, question: Question, lines: list[Line]) -> list[str]:
    """Those that were asked for, are known, and served nothing in the period; InvalidInput for unknown ones."""
    silent = sorted(set(question.devices) - {line.device for line in lines if line.ours.requests})
    if not silent:
        return []
    there = records.devices() | {line.device for line in lines}
    if unknown := [name for name in silent if name not in there]:
        known = ", ".join(sorted(there)[:20]) or "none"
        raise InvalidInput(f"--devices: '{unknown[0]:.64}' is unknown; in {records.where} there are: {known}")
    return silent


def _nothing(question: Question, others: dict[str, int], *, source: str) -> str:
    of = f" for network {question.network}" if question.network else ""
    on = f" on {', '.join(question.devices)}" if question.devices else ""
    beside = f"; there are {', '.join(f'{count} of {name}' for name, count in others.items())}" if others else ""
    return (
        f"{source} holds no inference of {OURS}{of}{on} from {question.period} UTC{beside}: "
        "widen --since, or check --network and --devices"
    )


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["report", *sys.argv[1:]]))
