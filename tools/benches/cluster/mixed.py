"""Nodes of mixed memory: what treating all as the smallest loses. All values are proven optima."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from planner.pipeline.finding.search import best
from planner.pipeline.instance import Floats, Instance
from tools.benches.cluster.networks import Published, told
from tools.benches.figures import middle

SHARES = (1.0, 1.25, 1.5)
"""Of the published memory, drawn for each node."""


def facts(instances: Sequence[Published], seeds: int) -> dict[str, Any]:
    """By published instance, whose places and links stay."""
    return {each.name: _facts(each.problem, seeds) for each in instances}


def _facts(problem: Instance, seeds: int) -> dict[str, Any]:
    """`loss`: the bottleneck with all nodes as the smallest over that with what each has, where neither is 0."""
    pairs = [_pair(problem, seed) for seed in range(seeds)]
    ratios = [smallest / mixed for smallest, mixed in pairs if smallest is not None and mixed]
    return {
        "seeds": seeds,
        "fits_one_node": sum(mixed == 0 for _, mixed in pairs),
        "no_plan_as_smallest": sum(smallest is None and mixed is not None for smallest, mixed in pairs),
        "no_plan": sum(mixed is None for _, mixed in pairs),
        "loss": middle(ratios) | {"least": told(min(ratios), 3), "most": told(max(ratios), 3)} if ratios else None,
    }


def _pair(problem: Instance, seed: int) -> tuple[float | None, float | None]:
    shares = np.random.default_rng(seed).choice(SHARES, len(problem.nodes))
    capacity = problem.capacity_bytes * shares
    return _optimum(problem, np.full_like(capacity, capacity.min())), _optimum(problem, capacity)


def _optimum(problem: Instance, capacity_bytes: Floats) -> float | None:
    nodes = tuple(
        replace(node, memory_bytes=size) for node, size in zip(problem.nodes, capacity_bytes.tolist(), strict=True)
    )
    found = best(replace(problem, nodes=nodes))
    return found.value if found.plan else None
