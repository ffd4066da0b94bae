"""The best plan of an instance for an objective, proven where the search may run to its end."""

from __future__ import annotations

import math
from dataclasses import replace
from enum import StrEnum

from planner.pipeline.finding.effort import Effort, Stop, never
from planner.pipeline.finding.labels import cheapest
from planner.pipeline.finding.terms import Terms, energy, latency, nodes_used
from planner.pipeline.finding.throughput import greatest_throughput
from planner.pipeline.finding.units import Units
from planner.pipeline.instance import Instance, Medium
from planner.pipeline.loads import evaluate
from planner.pipeline.plan import Found
from protocol.errors import InvalidInput

CLOSE = 1e-9
"""As a share of it: how exactly the value of the best plan is known."""
_NOTHING = Found(None, math.inf, 0.0, proven=False)


class Objective(StrEnum):
    """What is made as small as it can be: seconds between inferences, seconds of one inference, or joules of one."""

    THROUGHPUT = "throughput"
    LATENCY = "latency"
    ENERGY = "energy"


def best(
    instance: Instance,
    objective: Objective = Objective.THROUGHPUT,
    *,
    period_s: float = math.inf,
    stop: Stop = never,
) -> Found:
    """The best plan that takes an inference every `period_s` or faster; `stop` is asked now and then and ends the search.

    Of plans of the same throughput, one of the fewest nodes. Nodes that take turns do so in ascending order of their index:
    other orders are other plans, and not looked at. Raises InvalidInput where energy is asked for without a period.
    """
    if objective is Objective.ENERGY and math.isinf(period_s):
        raise InvalidInput(
            "energy per inference needs a throughput: say how many inferences per second the cluster must do"
        )
    if instance.replicas == 1:
        return _searched(instance, objective, period_s, stop)
    # Groups are many; what single nodes do is known soon, and is a plan to go on from.
    alone = _searched(replace(instance, replicas=1), objective, period_s, stop)
    if stop():
        return Found(alone.plan, alone.value, 0.0, proven=False)
    found = _searched(instance, objective, period_s, stop)
    if found.proven or found.value <= alone.value:
        return found
    return Found(alone.plan, alone.value, found.bound, proven=False)


def _searched(instance: Instance, objective: Objective, period_s: float, stop: Stop) -> Found:
    units = Units.of(instance)
    if objective is Objective.THROUGHPUT:
        if instance.medium is Medium.LINKS:
            found = greatest_throughput(units, stop=stop)
        else:
            found = fastest(units, nodes_used(units), stop, known=_were_links_free(instance, stop))
        return _within(found, period_s)
    terms = latency(units) if objective is Objective.LATENCY else energy(units, period_s)
    cheap = cheapest(units, terms, most_s=period_s, effort=Effort(stop))
    return Found(cheap.plan, cheap.cost, cheap.bound, cheap.proven)


def _within(found: Found, period_s: float) -> Found:
    """What was found, if it is fast enough; a bound above the period proves that nothing is."""
    if found.plan is None or found.value <= period_s:
        return found
    return Found(None, math.inf, found.bound, found.proven or found.bound > period_s)


def _were_links_free(instance: Instance, stop: Stop) -> Found:
    """The plan that would be best if transmissions did not hinder each other, at its true value; its bound stays a bound."""
    free = greatest_throughput(Units.of(replace(instance, medium=Medium.LINKS)), stop=stop)
    value = evaluate(instance, free.plan).bottleneck_s if free.plan else math.inf
    return Found(free.plan, value, free.bound, proven=False)


def fastest(units: Units, terms: Terms, stop: Stop, *, known: Found = _NOTHING) -> Found:
    """The cheapest of the plans with the least bottleneck, of those that cost less than infinitely much.

    `known` is a plan and a bound to begin with. For any medium: where transmissions hinder each other, loads are sums, and
    thresholds are halved until the best is known to `CLOSE`.
    """
    upper, plan, low = known.value, known.plan, known.bound
    threshold = math.inf if plan is None else max(low, upper * CLOSE)
    while not (math.isinf(low) or (math.isfinite(upper) and upper - low <= CLOSE * upper)):
        cheap = cheapest(units, terms, most_s=threshold, effort=Effort(stop), any_will_do=True)
        if cheap.plan is not None:
            plan = cheap.plan
            upper = evaluate(units.instance, plan).bottleneck_s
        elif cheap.proven:
            low = threshold
        if stop() or not (cheap.plan or cheap.proven) or math.isinf(upper):
            break
        threshold = max((low + upper) / 2, upper * CLOSE)
    if plan is None:
        return Found(None, math.inf, low, math.isinf(low))
    if upper - low > CLOSE * upper:
        return Found(plan, upper, low, False)
    cheap = cheapest(units, terms, most_s=upper, effort=Effort(stop))
    return Found(cheap.plan or plan, upper, upper, True)
