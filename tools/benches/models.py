"""`dynasplit bench models`: what cutting, opening, running and sending cost, each figure beside its target."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protocol.errors import InvalidInput
from tools.benches import accuracy, cutting, running, wire
from tools.benches.circumstances import circumstances
from tools.benches.figures import Target
from tools.benches.networks import ZOO, check_names, digits, network_file, precisions, trained
from tools.benches.summary import show
from tools.output import add_json_argument, check_json_target, console, write_json

SUMMARY = "cutting, opening, running and sending"

_TARGETED = "vgg16-fp32"
"""The network whose memory, opening and latency are held against targets; of the others they are only told."""
_QUICK_IMAGES = 10
_QUICK_CUTS = 5
"""The line through the wire's needs some."""
_REPEATS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--networks", type=Path, metavar="DIR", help="where NAME-fp32.tflite and NAME-int8.tflite lie")
    parser.add_argument("--only", metavar="NAMES", help=f"of {','.join((*ZOO, *trained()))} (default: all)")
    parser.add_argument(
        "--repeats", type=int, metavar="N", help=f"of each timing (default: {_REPEATS}, with --quick 1)"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="only the trained networks, few images and cuts, one repeat: a look, no result",
    )
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    check_json_target(arguments.json)
    if arguments.repeats is None:
        arguments.repeats = 1 if arguments.quick else _REPEATS
    if arguments.repeats < 1:
        raise InvalidInput(f"--repeats must be 1 or more, not {arguments.repeats}")
    if arguments.networks and not arguments.networks.is_dir():
        raise InvalidInput(f"--networks {arguments.networks} is no folder")
    wanted = [(name, precision) for name in _names(arguments) for precision in precisions(name, arguments.networks)]
    out = console()
    with tempfile.TemporaryDirectory(prefix="dynasplit-bench-") as folder:
        bench = _Bench(Path(folder), arguments, lambda what: out.print(f"measuring {what} …"))
        for done, (name, precision) in enumerate(wanted, start=1):
            bench.measure(name, precision)
            facts = circumstances() | bench.facts() | {"seconds": round(time.monotonic() - started, 1)}
            facts["complete"] = done == len(wanted)
            if arguments.json != "-" or facts["complete"]:
                write_json(arguments.json, facts)
    show(facts, out)
    return 0 if facts["met"] else 1


def _names(arguments: argparse.Namespace) -> tuple[str, ...]:
    default = trained() if arguments.quick else (*trained(), *ZOO)
    asked = tuple(arguments.only.split(",")) if arguments.only is not None else default
    check_names(asked)
    return asked


@dataclass
class _Bench:
    """Collects the figures, network by network; bundles are dropped as soon as they are measured."""

    work: Path
    arguments: argparse.Namespace
    tell: Callable[[str], None]
    families: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {name: {} for name in ("cutting", "running", "wire", "accuracy")}
    )
    targets: list[Target] = field(default_factory=list)

    @property
    def _most_cuts(self) -> int | None:
        return _QUICK_CUTS if self.arguments.quick else None

    def measure(self, name: str, precision: str) -> None:
        full_name = f"{name}-{precision}"
        with tempfile.TemporaryDirectory(dir=self.work) as folder:
            place = Path(folder)
            network = network_file(name, precision, self.arguments.networks, place)
            self._cutting(full_name, network, place)
            if precision == "fp32":
                self._running(full_name, place)
            if name in trained():
                self._trained(name, precision, place)

    def _cutting(self, name: str, network: Path, place: Path) -> None:
        self.tell(f"{name}: cutting")
        found = self.families["cutting"][name] = cutting.facts(network, place, samples=1, most_cuts=self._most_cuts)
        self.targets += cutting.targets(name, found)

    def _running(self, name: str, place: Path) -> None:
        self.tell(f"{name}: opening and running")
        bundle, cache = place / f"{name}-single", place / "single-weights"
        found = self.families["running"][name] = running.facts(
            bundle, cache, repeats=self.arguments.repeats, most_cuts=self._most_cuts
        )
        if name == _TARGETED:
            self.targets += running.targets(name, found)

    def _trained(self, name: str, precision: str, place: Path) -> None:
        network = digits(name, precision, place)
        images = _QUICK_IMAGES if self.arguments.quick else None
        self.tell(f"{network.name}: accuracy by cut and codec")
        found = self.families["accuracy"][network.name] = accuracy.facts(
            network.bundle, network.samples, place / "weights", images=images
        )
        fp32 = self.families["accuracy"].get(f"{name}-fp32", found)
        self.targets += accuracy.targets(network.name, found, fp32)
        if precision == "fp32":
            self.tell(f"{network.name}: codecs")
            sent = self.families["wire"][network.name] = wire.facts(
                network.bundle,
                network.samples,
                place / "weights",
                images=_QUICK_IMAGES,
                repeats=self.arguments.repeats,
                most_cuts=self._most_cuts,
            )
            self.targets += wire.targets(network.name, sent)

    def facts(self) -> dict[str, Any]:
        return {
            "repeats": self.arguments.repeats,
            "quick": self.arguments.quick,
            **self.families,
            "targets": [target.to_json() for target in self.targets],
            "met": all(target.met for target in self.targets),
        }
