"""Nodes of mixed memory: what treating all as the smallest loses. All values are proven optima."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from planner.pipeline.instance import Instance
from planner.pipeline.search import best
from tools.benches.cluster.networks import MIB, Published, told, wifi
from tools.benches.figures import middle

NODES = 15
SHARES = (1.0, 1.25, 1.5)


def facts(instances: Sequence[Published], seeds: int) -> list[dict[str, Any]]:
    """Each network with each memory it was published with, on clusters of 15 nodes of the papers' family, by seed."""
    bases = {(each.network, float(each.problem.capacity_bytes[0])): each.problem for each in instances}
    return [
        {"network": network, "base_mib": base / MIB} | _facts(problem, base, seeds)
        for (network, base), problem in bases.items()
    ]


def _facts(problem: Instance, base_bytes: float, seeds: int) -> dict[str, Any]:
    """`loss`: the bottleneck with all nodes as the smallest over that with what each has."""
    pairs = [_pair(problem, base_bytes, seed) for seed in range(seeds)]
    ratios = [smallest / mixed for smallest, mixed in pairs if smallest is not None and mixed]
    return {
        "seeds": seeds,
        "fits_one_node": sum(mixed == 0 and smallest != 0 for smallest, mixed in pairs),
        "nothing_to_lose": sum(mixed == smallest == 0 for smallest, mixed in pairs),
        "no_plan_as_smallest": sum(smallest is None and mixed is not None for smallest, mixed in pairs),
        "loss": middle(ratios) | {"least": told(min(ratios), 3), "most": told(max(ratios), 3)} if ratios else None,
    }


def _pair(problem: Instance, base_bytes: float, seed: int) -> tuple[float | None, float | None]:
    capacity = base_bytes * np.random.default_rng([seed, 1]).choice(SHARES, NODES)
    mixed = wifi(problem, capacity, seed)
    least = float(capacity.min())
    smallest = replace(mixed, nodes=tuple(replace(node, memory_bytes=least) for node in mixed.nodes))
    return _optimum(smallest), _optimum(mixed)


def _optimum(problem: Instance) -> float | None:
    found = best(problem)
    return found.value if found.plan else None
