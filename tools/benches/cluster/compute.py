"""Mixed boards: what planning as if computing cost nothing loses, on networks that come along. All values are proven optima."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from models.bundle import Bundle
from models.cutting.plain import make_bundle
from models.stages import PieceMemory, piece_memory
from models.zoo import digits_vgg, digits_vit
from planner.pipeline.generating import Topology, lay_out
from planner.pipeline.instance import Floats
from tools.benches.cluster.networks import MIB, told
from tools.benches.figures import middle
from tools.clusters.cluster import Cluster, NodeEntry
from tools.clusters.compute_aware import Comparison, compare
from tools.clusters.from_bundle import Wanted, problem_of
from tools.clusters.rates import MBPS_BYTES

NODES = 8
BOARDS = (("pi4", 1_500_000), ("pi4", 600_000), ("pi3", 1_200_000), ("zero2w", 1_000_000))
LAN_MBPS = 100.0
_SHARE = 0.45
"""Of the weights with the largest activations: a node holds so much, so that at least three take part."""


def facts(seeds: int) -> list[dict[str, Any]]:
    """Each trained network, on the papers' wireless links and on a switch of 100 Mbit/s; boards and places by seed."""
    networks = {"digits_vgg": digits_vgg(), "digits_vit": digits_vit()}
    return [each for name, path in networks.items() for each in _of_network(name, path, seeds)]


def of_bundle(bundle: Bundle, seeds: int) -> list[dict[str, Any]]:
    """The same of a bundle that is there."""
    memory = piece_memory(bundle)
    return [
        {"network": bundle.manifest.network, "links": links, "nodes": NODES} | _facts(bundle, memory, links, seeds)
        for links in ("wifi", "lan")
    ]


def _of_network(name: str, path: Path, seeds: int) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        return of_bundle(make_bundle(path, Path(folder) / "bundle", name=name), seeds)


def _facts(bundle: Bundle, memory: PieceMemory, links: str, seeds: int) -> dict[str, Any]:
    """`loss`: the time between inferences of the published model's plan over that of the best one."""
    found = [_compared(bundle, memory, links, seed) for seed in range(seeds)]
    losses = [each.loss for each in found if each.loss is not None]
    return {
        "seeds": seeds,
        "proven": all(each.proven for each in found),
        "no_plan_as_published": sum(each.loss is None for each in found),
        "full_s": middle([each.full_s for each in found], 4),
        "loss": middle(losses) | {"least": told(min(losses), 3), "most": told(max(losses), 3)} if losses else None,
    }


def _compared(bundle: Bundle, memory: PieceMemory, links: str, seed: int) -> Comparison:
    rng = np.random.default_rng([seed, 2])
    size_mib = (_SHARE * sum(memory.weight_bytes) + max(memory.peak_bytes)) / MIB
    nodes = tuple(
        NodeEntry(f"node-{number}", size_mib, board=board, clock_khz=khz)
        for number, (board, khz) in enumerate(BOARDS[place] for place in rng.integers(len(BOARDS), size=NODES))
    )
    free = np.full(NODES, np.inf)
    cluster = Cluster(nodes, _rates(links, seed), free, free)
    return compare(problem_of(Wanted(bundle, cluster), name=f"{bundle.manifest.network}, seed {seed}", memory=memory))


def _rates(links: str, seed: int) -> Floats:
    if links == "wifi":
        return lay_out(Topology.WIFI, NODES, np.random.default_rng(seed)).mbps * MBPS_BYTES
    return np.full((NODES, NODES), LAN_MBPS * MBPS_BYTES) * (1 - np.eye(NODES))
