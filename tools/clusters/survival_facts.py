"""How spare copies are laid out and what a loss costs then, as `--json` holds it; or why no layout can do it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from planner.pipeline.changing.survive import Demand, Loss, Survival, Unsurvived
from planner.pipeline.instance import Flags
from tools.clusters.problem import Problem


def facts_of_survival(problem: Problem, demand: Demand, result: Survival) -> dict[str, Any]:
    """`held` tells of each node that holds something the ranges of pieces, its own stage's among them, and their bytes."""
    return {
        "losses": demand.losses,
        "loss": demand.loss,
        "most_s": result.most_s,
        "worst": _worst(problem, result),
        "checked": result.checked,
        "held": [_holding(problem, result.held, int(node)) for node in np.flatnonzero(result.held.any(axis=1))],
        "spare_bytes": result.spare_bytes,
        "least_spare_bytes": result.least_spare_bytes,
        "fewest_proven": result.proven,
    }


def reason_of(problem: Problem, demand: Demand, result: Unsurvived) -> str | None:
    """Why no layout survives; None where that is not proven."""
    loss = result.loss
    if loss is None:
        return None
    without = f"without {_names(problem, loss)}"
    if loss.plan is None:
        return f"{without} none runs at all"
    if result.is_too_slow:
        return (
            f"{without} an inference takes {loss.bottleneck_s:.4g} s or more, and {result.most_s:.4g} s is the most "
            f"with --loss {demand.loss:g}"
        )
    return f"the nodes have no room for the copies without which the loss of {_names(problem, loss)} is not survived"


def _worst(problem: Problem, result: Survival) -> dict[str, Any]:
    worst, first_s = result.worst, result.found.value
    stages = worst.plan.stages if worst.plan else ()
    return {
        "nodes": [problem.node_ids[node] for node in worst.nodes],
        "bottleneck_s": worst.bottleneck_s,
        "loss": worst.bottleneck_s / first_s - 1 if first_s else None,
        "stages": [
            {"first": stage.first, "last": stage.last, "nodes": [problem.node_ids[node] for node in stage.nodes]}
            for stage in stages
        ],
    }


def _holding(problem: Problem, held: Flags, node: int) -> dict[str, Any]:
    instance = problem.instance
    capacity = instance.nodes[node].memory_bytes
    return {
        "node": problem.node_ids[node],
        "pieces": _ranges(held[node]),
        "weight_bytes": float(instance.pieces.weight_bytes[held[node]].sum()),
        "capacity_bytes": capacity if math.isfinite(capacity) else None,
    }


def _ranges(held: Flags) -> list[list[int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], held, [False])).astype(np.int8)))
    return [list(map(int, pair)) for pair in edges.reshape(-1, 2)]


def _names(problem: Problem, loss: Loss) -> str:
    return " and ".join(f"node {problem.node_ids[node]}" for node in loss.nodes)
