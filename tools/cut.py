"""Cut a .tflite network into a bundle: a folder that holds its heads and tails at every chosen cut point.

A cut point k lies after the first k operators. `single` (the default) takes those with one boundary tensor, `all` every
possible one; 0 (cloud-only) and the last (edge-only) are always there. The network is tried first in a process of its own,
so that a damaged one crashes nothing. With --check, heads and tails are run on random inputs and compared with the whole
network, bit by bit: a cut is exact, or it is said how far it is off. With --head or --quantize-head the bundle is mixed: heads
of an int8 file of the same model, tails of this one. Exit codes: 0 good, 1 a cut is not exact or fails, 2 refused.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models.bundle import MANIFEST, Bundle
from models.card import Card, card_of, read_card
from models.cutting.cut import Cuts
from models.cutting.exactness import Difference, Expected, Failure, differences, random_samples
from models.cutting.mixed import make_mixed_bundle
from models.cutting.mixed_check import reference
from models.cutting.plain import make_bundle
from models.cutting.quantize import check_quantizer, quantize
from models.network.proof import prove
from models.running.native_log import native_messages
from models.running.runner_choice import open_runner
from protocol.errors import DynaSplitError, InvalidInput
from protocol.topics import check_name
from tools.calibration import calibration_inputs
from tools.output import add_json_argument, console, write_json

SUMMARY = "cut a .tflite network into a bundle"

CHECK_SAMPLES = 3

Differences = Mapping[int, Difference | Failure | None]
"""By cut point; None where head and tail are exact."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", type=Path, metavar="NET.tflite", help="the network")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="BUNDLE", help="the bundle's folder")
    parser.add_argument("--cuts", default="single", help="single, all, or a list such as 2,5,9 (default: %(default)s)")
    parser.add_argument("--name", help="what the network is called in URLs (default: the card's or the file's name)")
    parser.add_argument(
        "--card",
        type=Path,
        metavar="CARD.json",
        help="input scaling and labels (default: NET.card.json if it is there)",
    )
    parser.add_argument(
        "--check",
        type=int,
        nargs="?",
        const=CHECK_SAMPLES,
        metavar="N",
        help=f"run N random inputs through every cut (without a number: {CHECK_SAMPLES})",
    )
    int8 = parser.add_mutually_exclusive_group()
    int8.add_argument("--head", type=Path, metavar="INT8.tflite", help="cut heads from this file of the same model")
    int8.add_argument(
        "--quantize-head",
        type=Path,
        metavar="SAMPLES",
        help="cut heads from the network quantised to int8 with these samples (images, or arrays named as the inputs)",
    )
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            if arguments.check is not None and arguments.check < 1:
                raise InvalidInput(f"--check takes a number of inputs, 1 or more, not {arguments.check}")
            made = _make(arguments, Path(scratch))
        except DynaSplitError as error:
            write_json(arguments.json, {"refused": str(error)})
            raise
        found = _differences(made, arguments.check, Path(scratch)) if arguments.check else None
    bundle = made.bundle
    facts = _facts(bundle, found) | {
        "network_bytes": sum(made.network_bytes),
        "seconds": round(time.monotonic() - started, 3),
    }
    _show(bundle, facts, console())
    write_json(arguments.json, facts)
    return 1 if facts["exact"] is False else 0


@dataclass(frozen=True)
class _Made:
    """What came about, and how to open what it should answer as (None: as its own whole network)."""

    bundle: Bundle
    network_bytes: tuple[int, ...]
    expected: Callable[[Path], AbstractContextManager[Expected]] | None = None


def _make(arguments: argparse.Namespace, scratch: Path) -> _Made:
    card = read_card(arguments.card) if arguments.card else card_of(arguments.network)
    options: dict[str, Any] = {
        "name": check_name(_name(arguments, card), what="network's name (--name)"),
        "cuts": _cuts(arguments.cuts),
        "scaling": card.scaling,
        "labels": card.labels,
        "prove": prove,
    }
    network, head = arguments.network, arguments.head
    if arguments.quantize_head:
        check_quantizer()
        samples = calibration_inputs(network, arguments.quantize_head, card.scaling)
        head = quantize(network, samples, scratch / "int8.tflite")
    if head is None:
        return _Made(make_bundle(network, arguments.output, **options), (network.stat().st_size,))
    mixed = make_mixed_bundle(head, network, arguments.output, **options)
    sizes = head.stat().st_size, network.stat().st_size
    return _Made(mixed.bundle, sizes, lambda cache: reference(mixed, head, network, cache))


def _name(arguments: argparse.Namespace, card: Card) -> str:
    return str(card.name or arguments.network.stem if arguments.name is None else arguments.name)


def _cuts(words: str) -> Cuts:
    if words in ("single", "all"):
        return words
    try:
        return tuple(int(word) for word in words.split(","))
    except ValueError as error:
        raise InvalidInput(f"--cuts must be single, all or a list such as 2,5,9, not {words!r:.40}") from error


def _differences(made: _Made, count: int, scratch: Path) -> Differences:
    """The runtime's own lines about what fails are dropped: what fails is told by cut point."""
    manifest = made.bundle.manifest
    with native_messages(), ExitStack() as stack:
        expected = stack.enter_context(made.expected(scratch)) if made.expected else None
        runner = stack.enter_context(closing(open_runner(made.bundle, cache_dir=scratch)))
        return differences(manifest, runner, list(random_samples(manifest, count)), expected=expected)


def _facts(bundle: Bundle, found: Differences | None) -> dict[str, Any]:
    """What `--json` holds; `exact` is null where nothing was run, `difference` and `failure` where there is none."""
    manifest = bundle.manifest
    checked = found or {}
    off = {cut: each.to_json() for cut, each in checked.items() if isinstance(each, Difference)}
    failed = {cut: each.reason for cut, each in checked.items() if isinstance(each, Failure)}
    points = [
        {
            "index": point.index,
            "name": point.name,
            "boundary": [spec.to_json() for spec in point.boundary],
            "boundary_bytes": point.boundary_bytes,
            "head_macs": manifest.head_work(point.index).total_macs,
            "exact": None if found is None else checked[point.index] is None,
            "difference": off.get(point.index),
            "failure": failed.get(point.index),
        }
        for point in manifest.cut_points
    ]
    return {
        "bundle": bundle.digest,
        "mixed": manifest.mixed,
        "cut_points": points,
        "exact": None if found is None else not any(checked.values()),
        "refused": None,
        "bundle_bytes": _bytes(bundle),
    }


def _bytes(bundle: Bundle) -> int:
    """The manifest and its artifacts; what else lies in the folder (`accuracy.json`) is not the bundle."""
    return (bundle.folder / MANIFEST).stat().st_size + sum(artifact.bytes for artifact in bundle.manifest.artifacts)


def _show(bundle: Bundle, facts: dict[str, Any], out: Console) -> None:
    table = Table(title=f"{bundle.manifest.network}, bundle {bundle.digest:.12}")
    for heading in ("cut", "after", "boundary bytes", "head M macs", "head + tail"):
        table.add_column(heading, justify="left" if heading == "after" else "right", no_wrap=heading == "head + tail")
    for point in facts["cut_points"]:
        size, macs = f"{point['boundary_bytes']:,}", f"{point['head_macs'] / 1e6:.1f}"
        table.add_row(str(point["index"]), escape(point["name"]), size, macs, _verdict(point))
    out.print(table)
    growth = facts["bundle_bytes"] / facts["network_bytes"]
    what = "two networks" if facts["mixed"] else "network"
    out.print(f"{bundle.folder}: {facts['bundle_bytes']:,} bytes, {growth:.2f} x the {what}, {facts['seconds']:.1f} s")
    for point in facts["cut_points"]:
        if point["failure"]:
            out.print(f"cut {point['index']} fails: {escape(point['failure'])}")
    if facts["mixed"] and facts["exact"] is not None:
        out.print("exact: as the one network's own head, dequantised, then the other network's own tail")


def _verdict(point: Mapping[str, Any]) -> str:
    if point["exact"] is None:
        return "not checked"
    difference = point["difference"]
    if point["exact"]:
        return "exact"
    if difference is None:
        return "[bold red]fails"
    largest = "not a number" if difference["largest"] is None else f"{difference['largest']:.3g}"
    return f"[bold red]off by {largest} in {difference['differing']:,} of {difference['count']:,}"


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["cut", *sys.argv[1:]]))
