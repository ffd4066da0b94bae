"""Clusters of mixed boards: what cuts that know how long each node computes win over the published model, which does not.

Both plan the same network, each exactly; what both are worth is said by the model that counts computing. Times are estimates,
from the boards' published figures.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from models.bundle import Bundle
from models.cutting.plain import make_bundle
from planner.pipeline.finding.infeasible import why_infeasible
from planner.pipeline.finding.search import best
from planner.pipeline.generating import Topology, lay_out
from planner.pipeline.loads import evaluate
from protocol.errors import InvalidInput
from tools.benches.figures import middle
from tools.benches.networks import ZOO, network_file, trained
from tools.clusters.from_bundle import Wanted, problem_of
from tools.clusters.problem import Problem
from tools.clusters.published_view import published_view
from tools.clusters.rates import MBPS_BYTES
from tools.make_cluster import cluster_of

BOARDS = ("pi4", "pi3", "zero2w")
NODES = 9
SHARE = 0.5
"""Of the whole network's memory, which a node holds: none holds all. Where one piece needs more, nodes hold a little more."""
_MARGIN, _ROOMY_MIB = 1.05, 1e6


def facts(folder: Path | None, seeds: int) -> dict[str, Any]:
    """By network: those that lie in the folder as NAME-fp32.tflite, and the trained digits."""
    with tempfile.TemporaryDirectory() as work:
        return {name: _facts(bundle, seeds) for name, bundle in _bundles(folder, Path(work))}


def _bundles(folder: Path | None, work: Path) -> Iterator[tuple[str, Bundle]]:
    given = [name for name in ZOO if folder is not None and (folder / f"{name}-fp32.tflite").is_file()]
    for name in (*given, *trained()):
        network = network_file(name, "fp32", folder, work)
        yield name, make_bundle(network, work / name, name=name)


def _facts(bundle: Bundle, seeds: int) -> dict[str, Any]:
    """`gain`: the bottleneck of the published model's plan over that of the plan that counts computing."""
    problem = _problem(bundle)
    pairs = [_pair(problem, seed) for seed in range(seeds)]
    return {
        "nodes": NODES,
        "boards": list(BOARDS),
        "seeds": seeds,
        "published_s": middle([published for published, _ in pairs], 6),
        "full_s": middle([full for _, full in pairs], 6),
        "gain": middle([published / full for published, full in pairs]),
    }


def _pair(problem: Problem, seed: int) -> tuple[float, float]:
    """Seconds between inferences of both plans, on nodes of the papers' family."""
    layout = lay_out(Topology.WIFI, NODES, np.random.default_rng(seed))
    placed = replace(problem, instance=replace(problem.instance, rate=layout.mbps * MBPS_BYTES))
    blind, full = best(published_view(placed).instance), best(placed.instance)
    if blind.plan is None or full.plan is None:
        raise InvalidInput(f"{problem.instance.name}: {why_infeasible(placed.instance)}")
    return evaluate(placed.instance, blind.plan).bottleneck_s, full.value


def _problem(bundle: Bundle) -> Problem:
    """The network on the boards in turn; links are put in later, since all else is the same wherever the nodes stand."""
    layout = lay_out(Topology.WIFI, NODES, np.random.default_rng(0))
    cluster = cluster_of(layout, [_ROOMY_MIB] * NODES, BOARDS)
    problem = problem_of(Wanted(bundle, cluster), name=bundle.manifest.network)
    needed = problem.instance.pieces.memory_bytes
    size = max(float(needed[0, -1]) * SHARE, float(needed.diagonal(1).max()) * _MARGIN)
    nodes = tuple(replace(node, memory_bytes=size) for node in problem.instance.nodes)
    return replace(problem, instance=replace(problem.instance, nodes=nodes))
