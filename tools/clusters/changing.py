"""A plan for a cluster that has changed, and one that outlives losses: what `--running` and `--survive` add."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planner.pipeline.changing.replan import TOLERANCE, replan
from planner.pipeline.changing.survive import Demand, Survival, Unsurvived, survive
from planner.pipeline.finding.effort import Stop
from planner.pipeline.finding.search import Objective
from planner.pipeline.plan import Found
from protocol.errors import InvalidInput
from tools.clusters.change_facts import facts_of_change
from tools.clusters.problem import Problem
from tools.clusters.running_plan import read_running
from tools.clusters.solving import EXACT, Order, solve
from tools.clusters.survival_facts import facts_of_survival, reason_of

LOSS = 0.2


@dataclass(frozen=True)
class Change:
    """What is asked for beyond a plan: to leave a running one, or to outlive `losses` nodes within a `loss`; None: neither."""

    running: Path | None = None
    tolerance: float | None = None
    losses: int | None = None
    loss: float | None = None

    def check(self, order: Order) -> None:
        """InvalidInput for options that contradict each other or cannot be."""
        if self.running is None and self.tolerance is not None:
            raise InvalidInput("--tolerance is for --running PLAN: by how much a plan that moves less may be worse")
        if self.losses is None and self.loss is not None:
            raise InvalidInput("--loss is for --survive F: by how much the time between inferences may grow")
        for option, value in (("--tolerance", self.tolerance), ("--loss", self.loss)):
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise InvalidInput(f"{option} must be a share of 0 or more, not {value}")
        asked = [
            option for option, given in (("--running", self.running), ("--survive", self.losses)) if given is not None
        ]
        if len(asked) == 2:
            raise InvalidInput("--running and --survive: give one at a time")
        if asked and order.method != EXACT:
            raise InvalidInput(f"{asked[0]} goes with --method {EXACT}, not {order.method}")
        if self.losses is not None and order.objective is not Objective.THROUGHPUT:
            raise InvalidInput(f"--survive goes with --objective throughput, not {order.objective}")


def planned(problem: Problem, order: Order, change: Change, stop: Stop) -> tuple[Found, dict[str, Any]]:
    """What is found, and the facts that it has beyond those of any plan."""
    if change.running is not None:
        return _replanned(problem, order, change, change.running, stop)
    if change.losses is not None:
        loss = LOSS if change.loss is None else change.loss
        return _surviving(problem, Demand(change.losses, loss, order.period_s), stop)
    return solve(problem, order, stop), {}


def _replanned(problem: Problem, order: Order, change: Change, path: Path, stop: Stop) -> tuple[Found, dict[str, Any]]:
    order.check(problem)
    running, purpose = read_running(path, problem), order.purpose
    tolerance = TOLERANCE if change.tolerance is None else change.tolerance
    result = replan(problem.instance, running, purpose, tolerance=tolerance, stop=stop)
    if isinstance(result, Found):
        return result, {}
    bound = min(result.best.bound, result.value)
    found = Found(result.plan, result.value, bound, result.best.proven and result.value <= result.best.value)
    return found, {"change": facts_of_change(problem, purpose, running, result) | {"tolerance": tolerance}}


def _surviving(problem: Problem, demand: Demand, stop: Stop) -> tuple[Found, dict[str, Any]]:
    result = survive(problem.instance, demand, stop=stop)
    match result:
        case Survival():
            return result.found, {"survival": facts_of_survival(problem, demand, result)}
        case Unsurvived():
            nothing = Found(None, math.inf, 0.0, proven=result.proven)
            return nothing, {"infeasible": reason_of(problem, demand, result)}
    return result, {}
