"""A plan as the document that agents take."""

from __future__ import annotations

import math

from planner.pipeline.loads import evaluate
from planner.pipeline.plan import Plan
from protocol.configuration import Codec
from protocol.errors import InvalidInput
from protocol.pipeline_plan import PipelinePlan, PlanStage, Predicted
from tools.clusters.facts import kinds_of, known_energy_j, running_period_s
from tools.clusters.problem import Problem


def document_of(problem: Problem, plan: Plan, *, floor_period_s: float = math.inf) -> PipelinePlan:
    """The plan of a bundle; its energy is that with an inference every `floor_period_s`, else at full rate.

    InvalidInput for a published instance, of which no node holds a bundle.
    """
    origin, instance = problem.origin, problem.instance
    if origin is None:
        raise InvalidInput(f"{instance.name} is of no bundle, so that no agent could run a plan of it")
    evaluation, kinds = evaluate(instance, plan), kinds_of(problem, plan)
    period_s = running_period_s(evaluation, floor_period_s)
    codecs = [Codec(instance.codecs[index].name) for index in plan.codecs]
    return PipelinePlan(
        network=origin.network,
        bundle=origin.bundle,
        medium=instance.medium.value,
        stages=tuple(
            PlanStage(
                origin.cuts[stage.first],
                origin.cuts[stage.last],
                tuple(origin.nodes[node] for node in stage.nodes),
                codec,
            )
            for stage, codec in zip(plan.stages, [*codecs, None], strict=True)
        ),
        predicted=Predicted(
            evaluation.bottleneck_s,
            evaluation.latency_s,
            known_energy_j(problem, plan, period_s),
            period_s,
            {name: tuple(sorted(each)) for name, each in kinds.items()},
        ),
    )
