"""Finds the plan that is asked for, by the method that is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from planner.pipeline.effort import Stop
from planner.pipeline.plan import Found
from planner.pipeline.search import Objective, best
from protocol.errors import InvalidInput
from tools.clusters.problem import Problem

METHODS = ("exact",)


@dataclass(frozen=True)
class Order:
    """What is to be found. `floor_per_s`: inferences per second that the plan must do at least; None: any."""

    objective: Objective = Objective.THROUGHPUT
    method: str = METHODS[0]
    floor_per_s: float | None = None

    @property
    def period_s(self) -> float:
        """The longest time between inferences."""
        return 1 / self.floor_per_s if self.floor_per_s else math.inf


def solve(problem: Problem, order: Order, stop: Stop) -> Found:
    """What the method finds until it is told to stop. InvalidInput for what cannot be asked of this problem."""
    if order.objective is Objective.ENERGY:
        problem.check_energy()
        if order.floor_per_s is None:
            raise InvalidInput("--objective energy needs --floor N: the inferences per second that the cluster must do")
    return best(problem.instance, order.objective, period_s=order.period_s, stop=stop)
