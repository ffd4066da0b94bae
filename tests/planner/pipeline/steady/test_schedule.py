"""Schedules of the steady state, on random small clusters with random plans."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from small_clusters import any_plan, small

from planner.pipeline.instance import Medium
from planner.pipeline.loads import evaluate
from planner.pipeline.plan import Plan, Stage
from planner.pipeline.published import instance as published
from planner.pipeline.steady.schedule import Schedule, schedule
from protocol.errors import InvalidInput

SLACK = 1e-7

on_any_cluster = given(seed=st.integers(0, 10**9), medium=st.sampled_from(list(Medium)), replicas=st.integers(1, 3))


def planned(seed: int, medium: Medium, replicas: int):
    """A cluster of up to 6 nodes and a plan that it can run."""
    cluster = small(seed, medium, replicas=replicas, most=6)
    plan = any_plan(cluster, seed)
    assume(plan is not None)
    return cluster, plan


def busy(found: Schedule):
    """Of each resource, when its tasks begin in the cycle and how long they take, ascending."""
    times: dict = {}
    for placed in (placed for inference in found.inferences for placed in inference):
        for resource in placed.task.occupies:
            times.setdefault(resource, []).append((placed.start_s % found.cycle_s, placed.task.seconds))
    return {resource: sorted(each) for resource, each in times.items()}


@on_any_cluster
@settings(max_examples=2 * settings.default.max_examples, deadline=None)
def test_nothing_does_two_things_at_once(seed, medium, replicas):
    found = schedule(*planned(seed, medium, replicas))

    for times in busy(found).values():
        for (begins, seconds), (follows, _) in pairwise([*times, (times[0][0] + found.cycle_s, 0.0)]):
            assert begins + seconds <= follows + SLACK * found.cycle_s


@on_any_cluster
@settings(max_examples=2 * settings.default.max_examples, deadline=None)
def test_tasks_of_an_inference_follow_each_other(seed, medium, replicas):
    found = schedule(*planned(seed, medium, replicas))

    for inference in found.inferences:
        assert [placed.task.position for placed in inference] == list(range(len(inference)))
        for one, two in pairwise(inference):
            assert one.start_s + one.task.seconds <= two.start_s + SLACK * found.cycle_s


@on_any_cluster
@settings(max_examples=2 * settings.default.max_examples, deadline=None)
def test_a_cycle_holds_the_loads_of_the_plan(seed, medium, replicas):
    cluster, plan = planned(seed, medium, replicas)

    found = schedule(cluster, plan)

    loads = {resource: load for resource, load in evaluate(cluster, plan).loads.items() if load}
    worked = {resource: sum(each for _, each in times) / found.turns for resource, times in busy(found).items()}
    assert worked == pytest.approx(loads)


@on_any_cluster
@settings(max_examples=2 * settings.default.max_examples, deadline=None)
def test_the_bottleneck_is_reached_but_for_half_duplex_radios_that_take_turns(seed, medium, replicas):
    cluster, plan = planned(seed, medium, replicas)

    found = schedule(cluster, plan)

    assert found.bottleneck_s == evaluate(cluster, plan).bottleneck_s
    assert found.period_s >= found.bottleneck_s * (1 - SLACK)
    if medium is not Medium.HALF_DUPLEX or found.turns == 1:
        assert found.is_tight


@on_any_cluster
def test_with_time_enough_no_inference_waits(seed, medium, replicas):
    cluster, plan = planned(seed, medium, replicas)
    latency_s = evaluate(cluster, plan).latency_s

    found = schedule(cluster, plan, interval_s=replicas * latency_s + 1.0)

    assert found.period_s == replicas * latency_s + 1.0
    assert found.latency_s == pytest.approx(latency_s)


def test_where_nothing_takes_time_the_cycle_takes_none():
    cluster = published("free", np.ones(2), np.zeros(3), np.full(2, 9.0), np.ones((2, 2)))

    found = schedule(cluster, Plan((Stage(0, 1, (0,)), Stage(1, 2, (1,))), (0,)))

    assert (found.period_s, found.latency_s, found.is_tight) == (0.0, 0.0, True)


def test_a_plan_that_cannot_run_has_no_schedule():
    cluster = published("full", np.full(2, 9.0), np.zeros(3), np.full(2, 9.0), np.ones((2, 2)))

    with pytest.raises(InvalidInput, match="need 18 bytes"):
        schedule(cluster, Plan((Stage(0, 2, (0,)),)))
