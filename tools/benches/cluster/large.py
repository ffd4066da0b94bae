"""Clusters of 50 and 200 nodes: how long a proof takes, and how far from the best a search is that is cut off."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from planner.pipeline.finding.search import best
from planner.pipeline.instance import Instance
from tools.benches.cluster.networks import MIB, figures, timed, wifi
from tools.benches.figures import Target

CAPACITIES_MIB = (32, 64)
FIFTY, TWO_HUNDRED = 50, 200
FIFTY_S, TWO_HUNDRED_S = 5.0, 30.0
MOST_GAP = 0.05


def facts(networks: Mapping[str, Instance], seeds: int) -> list[dict[str, Any]]:
    """Each network with each memory on so many clusters of 50 nodes and one of 200; a search is ended after 30 s of CPU."""
    return [
        {"network": network, "nodes": count, "memory_mib": size_mib, "seed": seed}
        | _facts(wifi(problem, np.full(count, size_mib * MIB), seed))
        for count, clusters in ((FIFTY, seeds), (TWO_HUNDRED, 1))
        for network, problem in networks.items()
        for size_mib in CAPACITIES_MIB
        for seed in range(1, clusters + 1)
    ]


def targets(found: list[dict[str, Any]]) -> list[Target]:
    fifty, two_hundred = ([each for each in found if each["nodes"] == count] for count in (FIFTY, TWO_HUNDRED))
    return [
        Target("50 nodes, CPU of the slowest", max(each["cpu_s"] for each in fifty), FIFTY_S, "s"),
        Target("50 nodes without a proof", sum(not each["proven"] for each in fifty), 0, ""),
        Target("200 nodes, CPU of the slowest", max(each["cpu_s"] for each in two_hundred), TWO_HUNDRED_S * 1.1, "s"),
        Target("200 nodes, the largest gap", max(_gap(each) for each in two_hundred) * 100, MOST_GAP * 100, "%"),
    ]


def _facts(problem: Instance) -> dict[str, Any]:
    end_s = time.process_time() + TWO_HUNDRED_S
    found, cpu_s = timed(lambda: best(problem, stop=lambda: time.process_time() >= end_s), time.process_time)
    return figures(found) | {"cpu_s": round(cpu_s, 3)}


def _gap(each: Mapping[str, Any]) -> float:
    return 1.0 if each["gap"] is None else float(each["gap"])
