"""Finds the plan that is asked for, by the method that is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from planner.pipeline.baselines.methods import at_random, greedy, kpath
from planner.pipeline.finding.effort import Stop
from planner.pipeline.finding.purpose import Purpose
from planner.pipeline.finding.search import Objective, best
from planner.pipeline.instance import Instance
from planner.pipeline.plan import Found, Plan
from protocol.errors import InvalidInput
from tools.clusters.problem import Problem

EXACT = "exact"
METHODS = (EXACT, "kpath", "greedy", "random")


@dataclass(frozen=True)
class Order:
    """What is to be found. `floor_per_s`: inferences per second that the plan must do at least; None: any. `seed`: of what
    `kpath` and `random` leave to chance."""

    objective: Objective = Objective.THROUGHPUT
    method: str = METHODS[0]
    floor_per_s: float | None = None
    seed: int = 0

    @property
    def period_s(self) -> float:
        """The longest time between inferences."""
        return 1 / self.floor_per_s if self.floor_per_s else math.inf

    @property
    def purpose(self) -> Purpose:
        """What a plan is for."""
        return Purpose(self.objective, self.period_s)

    def check(self, problem: Problem) -> None:
        """InvalidInput for what cannot be asked of a problem."""
        if self.objective is Objective.ENERGY:
            problem.check_energy()
            if self.floor_per_s is None:
                raise InvalidInput(
                    "--objective energy needs --floor N: the inferences per second that the cluster must do"
                )


def solve(problem: Problem, order: Order, stop: Stop) -> Found:
    """What the method finds until it is told to stop. InvalidInput for what cannot be asked of this problem."""
    order.check(problem)
    if order.method == EXACT:
        return best(problem.instance, order.objective, period_s=order.period_s, stop=stop)
    return _judged(problem.instance, order, _baseline(problem.instance, order))


def _baseline(instance: Instance, order: Order) -> Plan | None:
    """What a published method finds, None where it finds nothing."""
    rng = np.random.default_rng(order.seed)
    match order.method:
        case "kpath":
            return kpath(instance, rng)
        case "greedy":
            return greedy(instance)
    return at_random(instance, rng)


def _judged(instance: Instance, order: Order, plan: Plan | None) -> Found:
    """The plan with what it is worth by the objective, of which no bound is known."""
    nothing = Found(None, math.inf, 0.0, proven=False)
    if plan is None:
        return nothing
    if not order.purpose.served(instance, plan):
        return nothing
    return Found(plan, order.purpose.value(instance, plan), 0.0, proven=False)
