"""The best plan of an instance for an objective, proven where the search may run to its end."""

from __future__ import annotations

import math
from enum import StrEnum

from planner.pipeline.effort import Effort, Stop, never
from planner.pipeline.instance import Instance, Medium
from planner.pipeline.labels import cheapest
from planner.pipeline.loads import evaluate
from planner.pipeline.plan import Found
from planner.pipeline.terms import Terms, energy, latency, nodes_used
from planner.pipeline.throughput import greatest_throughput
from planner.pipeline.units import Units
from protocol.errors import InvalidInput

_CLOSE = 1e-9


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

    Of plans of the same throughput, one of the fewest nodes. Raises InvalidInput where energy is asked for without a period.
    """
    units = Units.of(instance)
    if objective is Objective.THROUGHPUT:
        found = (
            greatest_throughput(units, stop=stop)
            if instance.medium is Medium.LINKS
            else fastest(units, nodes_used(units), stop)
        )
        return _within(found, period_s)
    if objective is Objective.ENERGY and math.isinf(period_s):
        raise InvalidInput(
            "energy per inference needs a throughput: say how many inferences per second the cluster must do"
        )
    terms = latency(units) if objective is Objective.LATENCY else energy(units, period_s)
    cheap = cheapest(units, terms, most_s=period_s, effort=Effort(stop))
    return Found(cheap.plan, cheap.cost, cheap.bound, cheap.proven)


def _within(found: Found, period_s: float) -> Found:
    """What was found, if it is fast enough; a bound above the period proves that nothing is."""
    if found.plan is None or found.value <= period_s:
        return found
    return Found(None, math.inf, found.bound, found.proven or found.bound > period_s)


def fastest(units: Units, terms: Terms, stop: Stop) -> Found:
    """The cheapest of the plans with the least bottleneck, of those that cost less than infinitely much.

    For any medium: where transmissions hinder each other, loads are sums, and thresholds are halved until the best is known
    to 1e-9.
    """
    upper, plan, low = math.inf, None, 0.0
    threshold = math.inf
    while True:
        cheap = cheapest(units, terms, most_s=threshold, effort=Effort(stop), any_will_do=True)
        if cheap.plan is not None:
            plan = cheap.plan
            upper = evaluate(units.instance, plan).bottleneck_s
        elif cheap.proven:
            low = threshold
        if stop() or not (cheap.plan or cheap.proven) or upper - low <= _CLOSE * upper or math.isinf(upper):
            break
        threshold = max((low + upper) / 2, upper * _CLOSE)
    if plan is None:
        return Found(None, math.inf, low, math.isinf(low))
    if upper - low > _CLOSE * upper:
        return Found(plan, upper, low, False)
    cheap = cheapest(units, terms, most_s=upper, effort=Effort(stop))
    return Found(cheap.plan or plan, upper, upper, True)
