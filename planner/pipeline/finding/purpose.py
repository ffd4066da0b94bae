"""What a plan is for, and what it is worth by that."""

from __future__ import annotations

import math
from dataclasses import dataclass

from planner.pipeline.finding.search import CLOSE, Objective
from planner.pipeline.instance import Instance
from planner.pipeline.loads import energy_j, evaluate
from planner.pipeline.plan import Plan


@dataclass(frozen=True)
class Purpose:
    """What a plan is for: an objective, with an inference at least every `period_s`."""

    objective: Objective = Objective.THROUGHPUT
    period_s: float = math.inf

    def value(self, instance: Instance, plan: Plan) -> float:
        """The objective of a plan: seconds or joules."""
        if self.objective is Objective.ENERGY:
            return energy_j(instance, plan, self.period_s)
        evaluation = evaluate(instance, plan)
        return evaluation.latency_s if self.objective is Objective.LATENCY else evaluation.bottleneck_s

    def served(self, instance: Instance, plan: Plan) -> bool:
        """Whether a plan is fast enough."""
        return evaluate(instance, plan).bottleneck_s <= self.period_s * (1 + CLOSE)
