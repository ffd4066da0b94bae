"""What was found, as `--json` holds it."""

from __future__ import annotations

import math
from typing import Any

from planner.pipeline.finding.search import Objective
from planner.pipeline.loads import Evaluation, Resource, busy_s, energy_j, evaluate, transmissions
from planner.pipeline.plan import Found, Plan
from protocol.configuration import Provenance
from tools.clusters.problem import Problem
from tools.clusters.solving import Order

_TURNS = "nodes that take turns do so in the order of the file: other orders of turns were not looked at"


def facts_of(problem: Problem, order: Order, found: Found, *, seconds: float) -> dict[str, Any]:
    """`bottleneck_s` and all that follows from the plan are None where there is none; infinite figures are None too."""
    facts: dict[str, Any] = {
        "instance": problem.instance.name,
        "objective": order.objective.value,
        "method": order.method,
        "medium": problem.instance.medium.value,
        "floor_per_s": order.floor_per_s,
        "bottleneck_s": None,
        "cuts": None,
        "nodes": None,
        "proved_optimal": found.proven and found.plan is not None,
        "lower_bound_s": _finite(found.bound) if order.objective is Objective.THROUGHPUT else None,
        "value": _finite(found.value),
        "lower_bound": _finite(found.bound),
        "unit": "J" if order.objective is Objective.ENERGY else "s",
        "gap": _finite(found.gap) if found.plan else None,
        "infeasible": None,
        "notes": [*problem.notes, *([_TURNS] if problem.instance.replicas > 1 else [])],
        "seconds": seconds,
    }
    if found.plan:
        facts |= _plan_facts(problem, order, found.plan)
    return facts


def resource_name(problem: Problem, resource: Resource | None) -> str:
    """What limits a pipeline, in words."""
    if resource is None:
        return "nothing"
    names = [node_name(problem, end) for end in resource.ends]
    match len(names):
        case 0:
            return "the air that all share"
        case 1:
            return f"the {resource.kind} of {names[0]}"
    return f"the link from {names[0]} to {names[1]}"


def node_name(problem: Problem, node: int) -> str:
    """What people call an end of a transmission."""
    known = problem.end_id(node)
    if known is None:
        return "the dispatcher"
    return known if isinstance(known, str) else f"node {known}"


def _plan_facts(problem: Problem, order: Order, plan: Plan) -> dict[str, Any]:
    evaluation = evaluate(problem.instance, plan)
    period_s = running_period_s(evaluation, order.period_s)
    return {
        "bottleneck_s": evaluation.bottleneck_s,
        "cuts": list(plan.cuts),
        "nodes": [problem.node_ids[node] for node in plan.nodes],
        "per_second": _finite(evaluation.per_second),
        "latency_s": evaluation.latency_s,
        "period_s": period_s,
        "energy_j": known_energy_j(problem, plan, period_s),
        "limit": _limit(problem, evaluation),
        "stages": [_stage(problem, plan, index) for index in range(len(plan.stages))],
        "transmissions": _transmissions(problem, plan),
        "loads": [
            {"resource": resource.kind.value, "of": resource_name(problem, resource), "busy_s": load}
            for resource, load in sorted(evaluation.loads.items(), key=lambda item: -item[1])
            if load
        ],
        "provenance": {name: _names(kinds) for name, kinds in kinds_of(problem, plan).items()},
    }


def running_period_s(evaluation: Evaluation, period_s: float) -> float:
    """Seconds between inferences at which a plan is told to run: those asked for, or at full rate (infinite: none asked for)."""
    return max(evaluation.bottleneck_s, period_s if math.isfinite(period_s) else 0.0)


def known_energy_j(problem: Problem, plan: Plan, period_s: float) -> float | None:
    """Joules per inference of the nodes that take part; None where nobody knows what one of them draws."""
    return energy_j(problem.instance, plan, period_s) if "energy_j" in kinds_of(problem, plan) else None


def kinds_of(problem: Problem, plan: Plan) -> dict[str, frozenset[Provenance]]:
    """The kinds of all figures that went into a plan's times, and into its energy where that is known."""
    times = frozenset({Provenance.ESTIMATED}).union(*(problem.compute_kinds[node] for node in plan.nodes))
    kinds = {"bottleneck_s": times, "latency_s": times}
    if problem.power_kinds:
        watts = [problem.power_kinds[node] for node in plan.nodes]
        if None not in watts:
            kinds["energy_j"] = times.union(*(each for each in watts if each is not None))
    return kinds


def _limit(problem: Problem, evaluation: Evaluation) -> dict[str, Any] | None:
    if evaluation.limit is None or not evaluation.bottleneck_s:
        return None
    return {
        "resource": evaluation.limit.kind.value,
        "nodes": [problem.end_id(end) for end in evaluation.limit.ends],
        "words": resource_name(problem, evaluation.limit),
    }


def _stage(problem: Problem, plan: Plan, index: int) -> dict[str, Any]:
    instance, stage = problem.instance, plan.stages[index]
    labels = instance.pieces.labels
    leaves = plan.codecs[index] if index < len(plan.codecs) else 0
    return {
        "first": stage.first,
        "last": stage.last,
        "after": labels[stage.first],
        "until": labels[stage.last],
        "nodes": [problem.node_ids[node] for node in stage.nodes],
        "memory_bytes": float(instance.pieces.memory_bytes[stage.first, stage.last]),
        "capacity_bytes": [instance.nodes[node].memory_bytes for node in stage.nodes],
        "busy_s": [busy_s(instance, plan, index, node) for node in stage.nodes],
        "codec": instance.codecs[leaves].name if index < len(plan.codecs) else None,
        "sends_bytes": float(instance.transfer_bytes[leaves, stage.last]),
        "provenance": [_names(problem.compute_kinds[node]) for node in stage.nodes],
    }


def _transmissions(problem: Problem, plan: Plan) -> list[dict[str, Any]]:
    """Those that take time; None stands for the dispatcher."""
    return [
        {
            "boundary": each.boundary,
            "from": problem.end_id(each.sender),
            "to": problem.end_id(each.receiver),
            "share": each.share,
            "seconds": each.seconds,
        }
        for each in transmissions(problem.instance, plan)
        if each.seconds
    ]


def _names(kinds: frozenset[Provenance]) -> list[str]:
    return sorted(kind.value for kind in kinds)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
