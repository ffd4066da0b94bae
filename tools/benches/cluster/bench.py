"""`dynasplit bench cluster`: planning one network over many nodes, on the published instances and on clusters of their family.

The instances are not part of DynaSplit; give the folder in which they lie in `seifer/` (SEIFER, arXiv 2210.12218 and
2210.12219). All bottlenecks are estimates, bytes over rates; CPU times are measured.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from protocol.errors import InvalidInput
from tools.benches.circumstances import circumstances
from tools.benches.cluster import boards, instances, large, mixed
from tools.benches.cluster.networks import by_network, published
from tools.benches.cluster.summary import show
from tools.benches.figures import Target
from tools.output import add_json_argument, check_json_target, console, write_json

SUMMARY = "planning a network over a cluster, on the published instances and larger ones"

_LARGE_SEEDS, _MIXED_SEEDS = 3, 30
_QUICK_LARGE_SEEDS, _QUICK_MIXED_SEEDS = 1, 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reference",
        type=Path,
        default=os.environ.get("DYNASPLIT_REFERENCE"),
        metavar="DIR",
        help="folder of the published data (default: DYNASPLIT_REFERENCE)",
    )
    parser.add_argument(
        "--networks",
        type=Path,
        metavar="DIR",
        help="plan NAME-fp32.tflite of this folder on mixed boards, beside the digits",
    )
    parser.add_argument("--quick", action="store_true", help="few seeds: a look, no result")
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    started_s = time.monotonic()
    check_json_target(arguments.json)
    if arguments.networks and not arguments.networks.is_dir():
        raise InvalidInput(f"--networks {arguments.networks} is no folder")
    if not arguments.reference:
        raise InvalidInput("give the folder of the published data with --reference or DYNASPLIT_REFERENCE")
    given = published(Path(arguments.reference))
    large_seeds = _QUICK_LARGE_SEEDS if arguments.quick else _LARGE_SEEDS
    mixed_seeds = _QUICK_MIXED_SEEDS if arguments.quick else _MIXED_SEEDS
    parts: tuple[tuple[str, Callable[[], Any], Callable[[Any], list[Target]]], ...] = (
        ("instances", lambda: instances.facts(given), instances.targets),
        ("large", lambda: large.facts(by_network(given), large_seeds), large.targets),
        ("mixed", lambda: mixed.facts(given, mixed_seeds), lambda _: []),
        ("boards", lambda: boards.facts(arguments.networks, mixed_seeds), lambda _: []),
    )
    facts: dict[str, Any] = circumstances() | {"quick": arguments.quick}
    targets: list[Target] = []
    out = console()
    for done, (name, measure, held_to) in enumerate(parts, start=1):
        out.print(f"measuring {name} …")
        facts[name] = measure()
        targets += held_to(facts[name])
        facts |= {"targets": [target.to_json() for target in targets], "met": all(target.met for target in targets)}
        facts |= {"seconds": round(time.monotonic() - started_s, 1), "complete": done == len(parts)}
        if arguments.json != "-" or facts["complete"]:
            write_json(arguments.json, facts)
    show(facts, out)
    return 0 if facts["met"] else 1
