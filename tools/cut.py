"""Cut a .tflite network into a bundle: a folder that holds its heads and tails at every chosen cut point.

A cut point k lies after the first k operators. `single` (the default) takes those with one boundary tensor, `all` every
possible one; 0 (cloud-only) and the last (edge-only) are always there. The network is tried first in a process of its own,
so that a damaged one crashes nothing. With --check, heads and tails are run on random inputs and compared with the whole
network, bit by bit: a cut is exact, or it is said how far it is off. Exit codes: 0 good, 1 a cut is not exact, 2 refused.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models.bundle import Bundle, make_bundle
from models.card import Card, read_card
from models.cut import Cuts
from models.exactness import Difference, differences, random_samples
from models.manifest import Scaling
from models.runner_choice import open_runner
from models.trial import prove
from protocol.errors import DynaSplitError, InvalidInput
from protocol.topics import check_name
from tools.output import add_json_argument, console, write_json

SUMMARY = "cut a .tflite network into a bundle"

CHECK_SAMPLES = 3

Differences = Mapping[int, Difference | None]
"""By cut point; None where head and tail are exact."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", type=Path, metavar="NET.tflite", help="the network")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="BUNDLE", help="the bundle's folder")
    parser.add_argument("--cuts", default="single", help="single, all, or a list such as 2,5,9 (default: %(default)s)")
    parser.add_argument("--name", help="what the network is called in URLs (default: the card's or the file's name)")
    parser.add_argument("--card", type=Path, metavar="CARD.json", help="input scaling and labels")
    parser.add_argument(
        "--check",
        type=int,
        nargs="?",
        const=CHECK_SAMPLES,
        metavar="N",
        help=f"run N random inputs through every cut (without a number: {CHECK_SAMPLES})",
    )
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    if arguments.check is not None and arguments.check < 1:
        raise InvalidInput(f"--check takes a number of inputs, 1 or more, not {arguments.check}")
    try:
        bundle = _make(arguments)
    except DynaSplitError as error:
        write_json(arguments.json, {"refused": str(error)})
        raise
    found = _differences(bundle, arguments.check) if arguments.check else None
    facts = _facts(bundle, found) | {
        "network_bytes": arguments.network.stat().st_size,
        "seconds": round(time.monotonic() - started, 3),
    }
    _show(bundle, facts, console())
    write_json(arguments.json, facts)
    return 1 if facts["exact"] is False else 0


def _make(arguments: argparse.Namespace) -> Bundle:
    card = read_card(arguments.card) if arguments.card else Card("", Scaling(), ())
    return make_bundle(
        arguments.network,
        arguments.output,
        name=check_name(arguments.name or card.name or arguments.network.stem, what="network's name (--name)"),
        cuts=_cuts(arguments.cuts),
        scaling=card.scaling,
        labels=card.labels,
        prove=prove,
    )


def _cuts(words: str) -> Cuts:
    if words in ("single", "all"):
        return words
    try:
        return tuple(int(word) for word in words.split(","))
    except ValueError as error:
        raise InvalidInput(f"--cuts must be single, all or a list such as 2,5,9, not {words!r:.40}") from error


def _differences(bundle: Bundle, count: int) -> Differences:
    with tempfile.TemporaryDirectory() as folder:
        runner = open_runner(bundle, cache_dir=Path(folder))
        try:
            return differences(bundle.manifest, runner, list(random_samples(bundle.manifest, count)))
        finally:
            runner.close()


def _facts(bundle: Bundle, found: Differences | None) -> dict[str, Any]:
    """What `--json` holds; `exact` is null where nothing was run, `difference` where there is none."""
    manifest = bundle.manifest
    checked = found or {}
    points = [
        {
            "index": point.index,
            "name": point.name,
            "boundary": [spec.to_json() for spec in point.boundary],
            "boundary_bytes": point.boundary_bytes,
            "head_macs": manifest.head_work(point.index).total_macs,
            "exact": None if found is None else checked[point.index] is None,
            "difference": difference.to_json() if (difference := checked.get(point.index)) else None,
        }
        for point in manifest.cut_points
    ]
    return {
        "bundle": bundle.digest,
        "cut_points": points,
        "exact": None if found is None else not any(checked.values()),
        "refused": None,
        "bundle_bytes": sum(path.stat().st_size for path in bundle.folder.iterdir()),
    }


def _show(bundle: Bundle, facts: dict[str, Any], out: Console) -> None:
    table = Table(title=f"{bundle.manifest.network}, bundle {bundle.digest:.12}")
    for heading in ("cut", "after", "boundary bytes", "head M macs", "head + tail"):
        table.add_column(heading, justify="left" if heading == "after" else "right", no_wrap=heading == "head + tail")
    for point in facts["cut_points"]:
        size, macs = f"{point['boundary_bytes']:,}", f"{point['head_macs'] / 1e6:.1f}"
        table.add_row(str(point["index"]), escape(point["name"]), size, macs, _verdict(point))
    out.print(table)
    growth = facts["bundle_bytes"] / facts["network_bytes"]
    out.print(f"{bundle.folder}: {facts['bundle_bytes']:,} bytes, {growth:.2f} x the network, {facts['seconds']:.1f} s")


def _verdict(point: Mapping[str, Any]) -> str:
    if point["exact"] is None:
        return "not checked"
    difference = point["difference"]
    if difference is None:
        return "exact"
    largest = "not a number" if difference["largest"] is None else f"{difference['largest']:.3g}"
    return f"[bold red]off by {largest} in {difference['differing']:,} of {difference['count']:,}"


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["cut", *sys.argv[1:]]))
