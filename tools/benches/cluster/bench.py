"""`dynasplit bench cluster`: planning one network over many nodes, on the published instances and on clusters of their family.

The instances are not part of DynaSplit; give the folder in which they lie in `seifer/` (SEIFER, arXiv 2210.12218 and
2210.12219). All bottlenecks are estimates, bytes over rates; CPU times are measured.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from protocol.errors import InvalidInput
from tools.benches.cluster import boards, instances, large, mixed
from tools.benches.cluster.networks import by_network, published
from tools.benches.cluster.summary import show
from tools.benches.parts import Part, measured
from tools.benches.reference import add_reference_argument, reference_of
from tools.output import add_json_argument, check_json_target, console

SUMMARY = "planning a network over a cluster, on the published instances and larger ones"

_LARGE_SEEDS, _MIXED_SEEDS = 3, 30
_QUICK_LARGE_SEEDS, _QUICK_MIXED_SEEDS = 1, 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_reference_argument(parser)
    parser.add_argument(
        "--networks",
        type=Path,
        metavar="DIR",
        help="plan NAME-fp32.tflite of this folder on mixed boards, beside the digits",
    )
    parser.add_argument("--quick", action="store_true", help="few seeds: a look, no result")
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    check_json_target(arguments.json)
    if arguments.networks and not arguments.networks.is_dir():
        raise InvalidInput(f"--networks {arguments.networks} is no folder")
    given = published(reference_of(arguments))
    large_seeds = _QUICK_LARGE_SEEDS if arguments.quick else _LARGE_SEEDS
    mixed_seeds = _QUICK_MIXED_SEEDS if arguments.quick else _MIXED_SEEDS
    parts = (
        Part("instances", lambda: instances.facts(given), instances.targets),
        Part("large", lambda: large.facts(by_network(given), large_seeds), large.targets),
        Part("mixed", lambda: mixed.facts(given, mixed_seeds)),
        Part("boards", lambda: boards.facts(arguments.networks, mixed_seeds)),
    )
    facts = measured(arguments, parts)
    show(facts, console())
    return 0 if facts["met"] else 1
