"""Layouts of spare copies, against trying every layout there is."""

import math
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_clusters import every_plan, small

from planner.pipeline.changing import survive as survive_module
from planner.pipeline.changing.moving import lacking
from planner.pipeline.changing.survive import Demand, Survival, Unsurvived, survive
from planner.pipeline.instance import Medium
from planner.pipeline.loads import evaluate
from planner.pipeline.plan import Found, Plan, Stage
from planner.pipeline.published import instance as published
from protocol.errors import InvalidInput


def fits(instance, held) -> bool:
    weights = (held * instance.pieces.weight_bytes).sum(axis=1)
    peaks = np.where(held, instance.pieces.peak_bytes, 0.0).max(axis=1)
    return bool((~held.any(axis=1) | (weights + peaks < instance.capacity_bytes)).all())


def runs(plans, held, lost, most_s) -> bool:
    return any(
        value <= most_s * (1 + 1e-9) and not set(lost) & set(plan.nodes) and not list(lacking(plan, held))
        for plan, value in plans
    )


def survives(plans, held, demand, first_s) -> bool:
    nodes = np.flatnonzero(held.any(axis=1)).tolist()
    losses = combinations(nodes, min(demand.losses, len(nodes)))
    return runs(plans, held, (), first_s) and all(
        runs(plans, held, lost, first_s * (1 + demand.loss)) for lost in losses
    )


def fewest_bytes(instance, plans, demand, first_s) -> float | None:
    """What the smallest of all layouts holds; None: none survives."""
    shape = (len(instance.nodes), instance.pieces.count)
    sizes = [
        (float((held * instance.pieces.weight_bytes).sum()), held)
        for bits in product([False, True], repeat=shape[0] * shape[1])
        if fits(instance, held := np.array(bits).reshape(shape))
    ]
    sizes.sort(key=lambda each: each[0])
    return next((size for size, held in sizes if survives(plans, held, demand, first_s)), None)


@pytest.mark.parametrize("medium", list(Medium))
@given(seed=st.integers(0, 10**9), losses=st.integers(1, 2), loss=st.sampled_from([0.0, 0.2, 3.0]))
@settings(max_examples=6 * settings.default.max_examples // 10, deadline=None)
def test_no_layout_has_fewer_bytes_and_the_worst_loss_is_the_worst(medium, seed, losses, loss):
    instance = small(seed, medium, replicas=1 + seed % 2, most=3)
    instance = replace(
        instance, nodes=tuple(replace(node, memory_bytes=node.memory_bytes * 2) for node in instance.nodes)
    )
    demand = Demand(losses, loss)
    if losses >= len(instance.nodes):
        return
    plans = [(plan, each.bottleneck_s) for plan, each in every_plan(instance)]

    found = survive(instance, demand)

    if not plans:
        assert isinstance(found, Found)
        return
    first_s = min(value for _, value in plans)
    fewest = fewest_bytes(instance, plans, demand, first_s)
    if fewest is None:
        assert isinstance(found, Unsurvived)
        assert found.proven
        return
    assert isinstance(found, Survival)
    assert found.proven
    assert found.spare_bytes + instance.pieces.weight_bytes.sum() == pytest.approx(fewest)
    assert fits(instance, found.held)
    assert survives(plans, found.held, demand, first_s)
    assert found.found.value == pytest.approx(first_s, rel=1e-7, abs=1e-12)
    worst = [
        min(value for plan, value in plans if not set(lost) & set(plan.nodes) and not list(lacking(plan, found.held)))
        for lost in combinations(np.flatnonzero(found.held.any(axis=1)).tolist(), losses)
    ]
    assert found.worst.bottleneck_s == pytest.approx(max(worst), rel=1e-7, abs=1e-12)
    assert found.checked == len(worst)


def ring(capacity_bytes: float):
    """Two pieces of 10 bytes, and four nodes that all reach each other at the same rate."""
    rate = np.full((4, 4), 10.0)
    return published("ring", np.full(2, 10.0), np.full(3, 20.0), np.full(4, capacity_bytes), rate)


def test_idle_nodes_hold_the_copies():
    found = survive(ring(15.0), Demand(1, 0.0))

    assert isinstance(found, Survival)
    assert (found.spare_bytes, found.least_spare_bytes, found.checked) == (20.0, 20.0, 4)
    assert found.held.sum(axis=0).tolist() == [2, 2]
    assert found.worst.bottleneck_s == found.found.value == 2.0


def test_a_node_without_which_nothing_is_fast_enough_is_told():
    rate = np.array([[0.0, 10, 1], [10, 0, 1], [1, 1, 0]])
    instance = published("weak", np.full(2, 10.0), np.full(3, 20.0), np.full(3, 15.0), rate)

    found = survive(instance, Demand(1, 0.2))

    assert isinstance(found, Unsurvived)
    assert found.loss.nodes == (0,)
    assert (found.loss.bottleneck_s, found.most_s) == (20.0, pytest.approx(2.4))


def test_a_loss_for_which_there_is_no_room_is_told():
    instance = published("full", np.full(2, 10.0), np.full(3, 20.0), np.full(3, 15.0), np.full((3, 3), 10.0))

    found = survive(instance, Demand(1, 0.0))

    assert isinstance(found, Unsurvived)
    assert found.loss.plan is not None
    assert found.loss.bottleneck_s == found.most_s == 2.0


def test_told_to_stop_it_says_that_nothing_is_proven():
    found = survive(ring(15.0), Demand(1, 0.0), stop=lambda: True)

    assert isinstance(found, Found)
    assert not found.proven


def test_a_worst_loss_is_never_told_as_worse_than_what_made_the_layout_good(monkeypatch):
    nothing = Found(None, math.inf, 0.0, proven=False)
    monkeypatch.setattr(survive_module, "fastest", lambda *_, known=nothing: known)

    found = survive(ring(15.0), Demand(1, 0.5))

    assert isinstance(found, Survival)
    assert found.worst.plan is not None
    assert found.worst.bottleneck_s <= found.most_s == 3.0


def test_what_runs_after_the_worst_loss_is_a_plan_without_the_lost():
    found = survive(ring(25.0), Demand(1, 0.0))

    assert isinstance(found, Survival)
    assert found.found.plan.nodes == (found.found.plan.nodes[0],)
    assert found.worst.plan == Plan((Stage(0, 2, found.worst.plan.nodes),), ())
    assert not set(found.worst.nodes) & set(found.worst.plan.nodes)
    assert evaluate(ring(25.0), found.worst.plan).bottleneck_s == 0.0


@pytest.mark.parametrize(("losses", "loss"), [(0, 0.2), (4, 0.2), (1, -0.1), (1, float("nan"))])
def test_what_cannot_be_demanded_is_refused(losses, loss):
    with pytest.raises(InvalidInput):
        survive(ring(15.0), Demand(losses, loss))
