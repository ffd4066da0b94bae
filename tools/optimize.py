"""Makes a table from measurements: composes the cost of every configuration, and keeps those that are worth using.

The measurements come from a file (one JSON object a line, as `dynasplit profile -o` writes it) or from a backend. The
table is a draft until `dynasplit push` signs it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from models.accuracy.evaluation import read_record
from planner.costs import fit
from planner.pareto import front
from planner.pricing import Prices, price
from planner.search import optimize, rows_of
from planner.space import Space
from protocol.configuration import Account
from protocol.documents import parse_object
from protocol.errors import InvalidInput
from protocol.link import Link
from protocol.measurement import Measurement
from protocol.table import Row, Table
from tools.output import add_json_argument, console, read_text, write_json, write_text

SUMMARY = "make a table from measurements"

_METRIC = "top1"
_ORIGIN = ("network", "device", "bundle")
_PARTS = {
    "latency_ms": ("head_ms", "cloud_ms"),
    Account.EDGE: ("head_mj", "wait_w"),
    Account.EDGE_ACTIVE: ("head_mj", "wait_w", "cloud_active_mj"),
    Account.EDGE_NODE: ("head_mj", "wait_w", "cloud_node_mj"),
}
"""The parts of a row that latency, and energy by account, are made of."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--measurements", required=True, metavar="FILE|URL", help="JSON lines, or a backend's address")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="TABLE.json")
    parser.add_argument("--network", default="", help="needed where the measurements are of several")
    parser.add_argument("--bundle", default="", metavar="DIGEST", help="needed where the measurements are of several")
    parser.add_argument("--device", default="", help="needed where the measurements are of several")
    parser.add_argument("--run", dest="tag", default="", metavar="TAG", help="only measurements with this tag")
    parser.add_argument(
        "--accuracy",
        type=Path,
        metavar="BUNDLE|FILE",
        help="fill in what dynasplit evaluate found, where it is unknown",
    )
    parser.add_argument("--metric", help=f"the metric of that accuracy (default: {_METRIC})")
    parser.add_argument("--token", default=os.environ.get("DYNASPLIT_OPERATOR_TOKEN", ""), help="operator token")
    parser.add_argument(
        "--account",
        choices=[account.value for account in Account],
        default=Account.EDGE_NODE.value,
        help="whose energy counts in the front that is shown; the table serves all accounts (default: %(default)s)",
    )
    parser.add_argument(
        "--partial", action="store_true", help="leave out what the measurements do not cover, instead of refusing"
    )
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    if arguments.metric is not None and not arguments.accuracy:
        raise InvalidInput("--metric is of an accuracy; add --accuracy BUNDLE|FILE or leave it out")
    filters = {name: getattr(arguments, name) for name in _ORIGIN} | {"run": arguments.tag}
    measurements = select(read(arguments.measurements, token=arguments.token, filters=filters), filters)
    if arguments.accuracy:
        accuracies = read_record(arguments.accuracy).accuracies(arguments.metric or _METRIC)
        measurements = [accuracies.applied_to(item) for item in measurements]
    facts, table = draft(measurements, Account(arguments.account), partial=arguments.partial)
    write_text(arguments.output, json.dumps(table.to_json(), indent=2) + "\n")
    _show(facts, arguments.output)
    write_json(arguments.json, facts)
    return 0


def draft(measurements: Sequence[Measurement], account: Account, *, partial: bool) -> tuple[dict[str, Any], Table]:
    """The table from measurements of one bundle on one device, and the facts about it as JSON holds them."""
    started_s = time.perf_counter()
    origin = {name: getattr(measurements[0], name) for name in _ORIGIN}
    space, model = Space.seen_in(measurements), fit(measurements)
    left_out = space.size - len(rows_of(space, model, partial=partial))
    table = optimize(space, measurements, partial=partial, **origin)
    prices = price(table.rows, table.link, account)
    facts = origin | {
        "space": space.size,
        "left_out": left_out,
        "measured": len(model.measured),
        "measurements": len(measurements),
        "throttled": model.throttled,
        "method": "compose",
        "account": account.value,
        "link": table.link.to_json(),
        "table": table.digest,
        "table_rows": len(table.rows),
        "front": [_facts(table.rows[index], prices, index, account) for index in front(prices)],
        "seconds": time.perf_counter() - started_s,
    }
    return facts, table


def read(source: str, *, token: str, filters: Mapping[str, str]) -> Iterable[Measurement]:
    """Measurements from a file or a backend. A bad line is InvalidInput that says which; ServiceMissing without backend."""
    if source.startswith(("http://", "https://")):
        from tools.backend import Backend

        return Backend(source, token=token).measurements(**filters)
    if "://" in source:
        raise InvalidInput(f"--measurements {source:.100}: give a file or the http(s) address of a backend")
    return _lines(Path(source))


def select(measurements: Iterable[Measurement], filters: Mapping[str, str]) -> list[Measurement]:
    """Those that pass the filters (an empty one passes all). InvalidInput when none does, and, with the choices, when
    what is left is of several networks, devices or bundles."""
    found = list(measurements)
    if not found:
        raise InvalidInput("there are no measurements: run dynasplit profile first")
    for name, wanted in filters.items():
        there = sorted({getattr(item, name) for item in found})
        found = [item for item in found if wanted in ("", getattr(item, name))]
        if not found:
            raise InvalidInput(f"there are no measurements with {name} {wanted}; there are {', '.join(there)}")
    for name in _ORIGIN:
        if len(there := sorted({getattr(item, name) for item in found})) > 1:
            raise InvalidInput(f"the measurements are of several {name}s: choose with --{name} {' | '.join(there)}")
    return found


def _lines(path: Path) -> Iterator[Measurement]:
    for number, line in enumerate(read_text(path, what="measurements").split("\n"), start=1):
        if line.strip():
            where = f"{path}:{number}"
            yield Measurement.from_json(parse_object(line, what=where), what=where)


def _facts(row: Row, prices: Prices, index: int, account: Account) -> dict[str, Any]:
    return {
        "configuration": row.configuration.to_json(),
        "latency_ms": float(prices.latency_ms[index]),
        "energy_mj": float(prices.energy_mj[index]),
        "accuracy": row.accuracy,
        "provenance": {"latency_ms": _kinds(row, "latency_ms"), "energy_mj": _kinds(row, account)},
    }


def _kinds(row: Row, figure: str) -> list[str]:
    """All kinds that are in a sum; the time on the way is worked out from the link, and so an estimate."""
    parts = [row.provenance[part].value for part in _PARTS[figure] if part in row.provenance]
    return sorted({*parts, *(["estimated"] if row.uses_cloud else [])})


def _show(facts: Mapping[str, Any], output: Path) -> None:
    from rich.table import Table as Grid

    link = Link.from_json(facts["link"])
    kinds = sorted({kind for row in facts["front"] for sort in row["provenance"].values() for kind in sort})
    grid = Grid(
        title=f"{facts['network']} on {facts['device']}: what is worth using, energy of account {facts['account']}",
        caption=(
            f"link: {link.rtt_ms:.1f} ms, {link.up_bytes_per_ms * 8e-3:.1f} Mbit/s up, "
            f"{link.down_bytes_per_ms * 8e-3:.1f} Mbit/s down; figures are {', '.join(kinds) or 'of unknown kind'}"
        ),
    )
    for heading in ("cut", "MHz", "tpu", "cloud", "codec", "threads", "ms", "mJ", "accuracy"):
        grid.add_column(heading, justify="left" if heading in ("tpu", "cloud", "codec") else "right")
    for row in facts["front"]:
        grid.add_row(*_cells(row))
    out = console()
    out.print(grid)
    out.print(
        f"{facts['measured']} configurations measured, {facts['space'] - facts['left_out']} of {facts['space']} priced, "
        f"{facts['table_rows']} kept for all links and accounts in {output} ({facts['seconds']:.2f} s)"
    )
    for count, what in (
        (facts["throttled"], "measurements were throttled"),
        (facts["left_out"], "configurations are not covered"),
    ):
        if count:
            out.print(f"[yellow]{count} {what}, and were left out[/]")


def _cells(row: Mapping[str, Any]) -> Sequence[str]:
    configuration = row["configuration"]
    return (
        str(configuration["cut"]),
        f"{configuration['cpu_khz'] / 1000:.0f}",
        configuration["edge_accelerator"],
        configuration["cloud_accelerator"],
        configuration["codec"],
        str(configuration["threads"]),
        f"{row['latency_ms']:.1f}",
        f"{row['energy_mj']:.1f}",
        "unknown" if row["accuracy"] is None else f"{row['accuracy']:.3f}",
    )


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["optimize", *sys.argv[1:]]))
