"""Make up a cluster: nodes on a map and the rates between them, written as a nodes.toml that plan-cluster reads.

The same options and seed make the same file, byte for byte.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from planner.pipeline.generating import PUBLISHED_SIDE_M, Layout, Topology, drawn, lay_out
from planner.pipeline.instance import Medium
from protocol.errors import InvalidInput
from tools.clusters.boards import known_board
from tools.clusters.cluster import Cluster, NodeEntry
from tools.clusters.nodes_file import nodes_toml
from tools.clusters.rates import MBPS_BYTES
from tools.output import add_json_argument, check_json_target, check_target, console, read_text, write_json, write_text

SUMMARY = "make up a cluster of nodes to plan for"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nodes", type=int, required=True, metavar="N", help="how many nodes")
    parser.add_argument("--seed", type=int, default=0, help="of places and memory (default: %(default)s)")
    parser.add_argument(
        "--topology",
        choices=[each.value for each in Topology],
        default=Topology.WIFI.value,
        help="everybody in reach, all through one access point, or links to neighbours alone (default: %(default)s)",
    )
    parser.add_argument(
        "--medium",
        choices=[each.value for each in Medium],
        help="which transmissions hinder each other (default: links for wifi, shared for star, half_duplex for mesh)",
    )
    parser.add_argument(
        "--memory-mib",
        default="64",
        metavar="A,B,C",
        help="what each node has for a stage, drawn from these (default: %(default)s)",
    )
    parser.add_argument(
        "--board", action="append", default=[], metavar="NAME|FILE", help="the nodes' board; several take turns"
    )
    parser.add_argument(
        "--side-m",
        type=float,
        default=PUBLISHED_SIDE_M,
        metavar="M",
        help="of the square in which nodes stand (default: %(default)g)",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the nodes.toml to write")
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    _check(arguments)
    layout = lay_out(
        Topology(arguments.topology),
        arguments.nodes,
        np.random.default_rng([arguments.seed, 0]),
        side_m=arguments.side_m,
    )
    memory = drawn(_memory_mib(arguments.memory_mib), arguments.nodes, np.random.default_rng([arguments.seed, 1]))
    cluster = cluster_of(layout, memory.tolist(), arguments.board, medium=arguments.medium)
    _write_new(arguments.output, nodes_toml(cluster))
    facts = _facts(arguments, cluster, layout)
    write_json(arguments.json, facts)
    console().print(
        f"{arguments.output}: {facts['nodes']} nodes, {facts['links']} links of {facts['least_mbps']:g} to "
        f"{facts['most_mbps']:g} Mbit/s, medium {facts['medium']}",
        highlight=False,
        soft_wrap=True,
    )
    return 0


def cluster_of(
    layout: Layout, memory_mib: Sequence[float], boards: Sequence[str], *, medium: str | None = None
) -> Cluster:
    """The nodes of a layout, with their memory; boards are given out in turn."""
    width = len(str(len(memory_mib)))
    taken = islice(cycle(boards or (None,)), len(memory_mib))
    nodes = tuple(
        NodeEntry(f"node-{index:0{width}}", size, board, position_m=(float(x), float(y)))
        for index, (size, board, (x, y)) in enumerate(zip(memory_mib, taken, layout.positions_m, strict=True), start=1)
    )
    free = np.full(len(nodes), np.inf)
    hub = layout.hub_mbps * MBPS_BYTES if layout.hub_mbps is not None else free
    return Cluster(
        nodes,
        layout.mbps * MBPS_BYTES,
        hub,
        hub,
        medium=Medium(medium) if medium else layout.medium,
        dispatcher_m=layout.hub_m,
    )


def _memory_mib(text: str) -> tuple[float, ...]:
    try:
        sizes = tuple(float(each) for each in text.split(","))
    except ValueError:
        raise InvalidInput(f"--memory-mib must be a number, or several: 64,80,96, not {text!r:.40}") from None
    if wrong := [each for each in sizes if not 0 < each < np.inf]:
        raise InvalidInput(f"--memory-mib must be numbers above 0, not {wrong[0]:g}")
    return sizes


def _check(arguments: argparse.Namespace) -> None:
    check_json_target(arguments.json)
    check_target(arguments.output)
    if arguments.seed < 0:
        raise InvalidInput(f"--seed must be 0 or more, not {arguments.seed}")
    for board in arguments.board:
        known_board(board, what="--board")


def _write_new(path: Path, text: str) -> None:
    """InvalidInput where another file would be lost."""
    if path.is_file() and read_text(path, what="--output") != text:
        raise InvalidInput(f"{path} is there already and holds something else: name another file, or move it away")
    write_text(path, text)


def _facts(arguments: argparse.Namespace, cluster: Cluster, layout: Layout) -> dict[str, Any]:
    rates = layout.mbps[layout.mbps > 0]
    return {
        "file": str(arguments.output),
        "topology": arguments.topology,
        "medium": cluster.medium.value,
        "seed": arguments.seed,
        "side_m": arguments.side_m,
        "nodes": len(cluster.nodes),
        "links": len(rates),
        "least_mbps": float(rates.min()),
        "most_mbps": float(rates.max()),
        "memory_mib": [node.memory_mib for node in cluster.nodes],
        "boards": [node.board for node in cluster.nodes],
    }


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["make-cluster", *sys.argv[1:]]))
