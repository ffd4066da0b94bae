"""The search, against trying every plan there is."""

import math
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_clusters import every_plan, small

from planner.pipeline.finding.effort import never
from planner.pipeline.finding.search import Objective, best, fastest
from planner.pipeline.finding.terms import nodes_used
from planner.pipeline.finding.units import Units
from planner.pipeline.instance import Instance, Medium
from planner.pipeline.loads import energy_j, evaluate


def value(instance: Instance, objective: Objective, plan, evaluation, period_s: float) -> float:
    if objective is Objective.LATENCY:
        return evaluation.latency_s
    return energy_j(instance, plan, period_s) if objective is Objective.ENERGY else evaluation.bottleneck_s


@pytest.mark.parametrize("medium", list(Medium))
@pytest.mark.parametrize("objective", list(Objective))
@pytest.mark.parametrize("replicas", [1, 2])
@given(seed=st.integers(0, 10**9))
@settings(max_examples=3 * settings.default.max_examples // 10, deadline=None)
def test_nothing_beats_the_plan_that_is_called_best(medium, objective, replicas, seed):
    instance = small(seed, medium, replicas=replicas)
    period_s = 6.0 if objective is not Objective.THROUGHPUT and seed % 3 else math.inf
    if objective is Objective.ENERGY and math.isinf(period_s):
        period_s = 9.0
    plans = [each for each in every_plan(instance) if each[1].bottleneck_s <= period_s]

    found = best(instance, objective, period_s=period_s)

    assert found.proven
    if not plans:
        assert found.plan is None
        return
    values = [value(instance, objective, *each, period_s) for each in plans]
    assert found.plan is not None
    ours = value(instance, objective, found.plan, evaluate(instance, found.plan), period_s)
    assert ours == pytest.approx(min(values), rel=1e-7, abs=1e-12)
    assert found.value == pytest.approx(ours, rel=1e-9, abs=1e-12)
    if objective is Objective.THROUGHPUT:
        tied = [len(plan.nodes) for (plan, _), each in zip(plans, values, strict=True) if each <= ours * (1 + 1e-9)]
        assert len(found.plan.nodes) == min(tied)


def test_a_search_that_is_stopped_has_the_plan_of_single_nodes():
    instance = small(2, Medium.LINKS, replicas=2)
    alone = best(replace(instance, replicas=1))
    asked = count()

    found = best(instance, stop=lambda: next(asked) > 20)

    assert alone.plan is not None
    assert found.plan is not None
    assert found.value <= alone.value


@pytest.mark.parametrize("medium", list(Medium))
@given(seed=st.integers(0, 10**9))
@settings(max_examples=3 * settings.default.max_examples // 10, deadline=None)
def test_a_search_that_knows_no_plan_ends_with_the_best(medium, seed):
    instance = small(seed, medium, replicas=1 + seed % 2)
    units = Units.of(instance)
    plans = [evaluation.bottleneck_s for _, evaluation in every_plan(instance)]

    found = fastest(units, nodes_used(units), never)

    assert found.proven
    assert found.value == pytest.approx(min(plans, default=math.inf), rel=1e-7, abs=1e-12)
