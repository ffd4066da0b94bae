"""Plans for a cluster that has changed, against trying every plan there is."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_clusters import any_plan, every_plan, small

from planner.pipeline.changing.moving import lacking, lacking_bytes, lasting_s, moves
from planner.pipeline.changing.replan import Replanned, replan
from planner.pipeline.changing.running import Deployed, NamedStage, Running
from planner.pipeline.finding.purpose import Purpose
from planner.pipeline.finding.search import Objective
from planner.pipeline.instance import Medium
from planner.pipeline.loads import DISPATCHER, evaluate
from planner.pipeline.plan import Found, Plan, Stage
from planner.pipeline.published import instance as published
from protocol.errors import InvalidInput

on_any_cluster = given(seed=st.integers(0, 10**9), medium=st.sampled_from(list(Medium)), replicas=st.integers(1, 2))


def some_running(instance, seed: int) -> Running:
    """A plan that may run, and weights that lie about."""
    held = np.random.default_rng(seed).random((len(instance.nodes), instance.pieces.count)) < 0.4
    plan = any_plan(instance, seed)
    for stage in plan.stages if plan else ():
        held[list(stage.nodes), stage.first : stage.last] = True
    return Running(plan if seed % 3 else None, held)


def line(**changes):
    """Three pieces of 10 bytes over nodes that hold 25 bytes each; 20 bytes cross each cut."""
    rate = changes.pop("rate", np.array([[0.0, 10, 4], [10, 0, 4], [4, 4, 0]]))
    return published("line", np.full(3, 10.0), np.full(4, 20.0), np.full(len(rate), 25.0), rate)


def halves(*names: str) -> Deployed:
    """Two pieces on the first node, one on the second."""
    return Deployed((NamedStage(0, 2, (names[0],), "raw"), NamedStage(2, 3, (names[1],))))


@pytest.mark.parametrize("objective", list(Objective))
@on_any_cluster
@settings(max_examples=12 * settings.default.max_examples // 10, deadline=None)
def test_no_plan_within_the_tolerance_moves_fewer_bytes(objective, seed, medium, replicas):
    instance = small(seed, medium, replicas=replicas)
    running = some_running(instance, seed)
    purpose = Purpose(objective, 9.0 if objective is Objective.ENERGY or seed % 2 else math.inf)
    plans = [plan for plan, each in every_plan(instance) if each.bottleneck_s <= purpose.period_s]

    found = replan(instance, running, purpose)

    if not plans:
        assert isinstance(found, Found)
        assert found.proven
        return
    assert isinstance(found, Replanned)
    worst = min(purpose.value(instance, plan) for plan in plans) * 1.05
    near = [plan for plan in plans if purpose.value(instance, plan) <= worst]
    fewest = min(lacking_bytes(instance, plan, running.held) for plan in near)
    assert purpose.value(instance, found.plan) <= worst * (1 + 1e-6)
    assert found.moved_bytes == pytest.approx(fewest, rel=1e-9, abs=1e-9)
    assert found.fewest_proven


@on_any_cluster
def test_all_that_a_plan_lacks_is_moved_from_someone_who_has_it(seed, medium, replicas):
    instance = small(seed, medium, replicas=replicas)
    running, plan = some_running(instance, seed), any_plan(instance, seed + 1)
    if plan is None:
        return

    moving = moves(instance, plan, running.held)

    moved = [(move.receiver, piece) for move in moving for piece in range(move.first, move.last)]
    assert sorted(moved) == sorted(lacking(plan, running.held))
    for move in moving:
        if move.sender != DISPATCHER:
            assert running.held[move.sender, move.first : move.last].all()
            assert move.seconds == pytest.approx(move.size_bytes / instance.rate[move.sender, move.receiver])
    lasting = lasting_s(instance, moving)
    if lasting is not None:
        longest = max((move.seconds for move in moving), default=0.0)
        assert longest <= lasting * (1 + 1e-9) + 1e-12
        assert lasting <= sum(move.seconds for move in moving) * (1 + 1e-9) + 1e-12


def test_what_has_been_gained_repays_the_time_of_moving():
    instance = line(rate=np.array([[0.0, 1, 10], [1, 0, 10], [10, 10, 0]]))
    running = halves("0", "1").left_in(instance)

    found = replan(instance, running, Purpose())

    assert (evaluate(instance, running.plan).bottleneck_s, found.value) == (20.0, 2.0)
    assert [(move.receiver, move.first, move.last, move.seconds) for move in found.moves] == [(2, 2, 3, 1.0)]
    assert found.payoff.pays
    done_by_then = found.payoff.after_s / 20.0
    assert done_by_then == pytest.approx((found.payoff.after_s - found.moving_s) / found.value)
    assert done_by_then == pytest.approx(found.payoff.after_inferences)


def test_a_plan_that_is_nearly_as_good_is_kept():
    instance = line(rate=np.array([[0.0, 10, 10.4], [10, 0, 10.4], [10.4, 10.4, 0]]))
    running = halves("0", "1").left_in(instance)

    found = replan(instance, running, Purpose())

    assert found.plan == running.plan
    assert (found.moves, found.moving_s, found.payoff.pays) == ((), 0.0, False)


def test_a_tolerance_of_nothing_takes_the_best():
    instance = line(rate=np.array([[0.0, 10, 10.4], [10, 0, 10.4], [10.4, 10.4, 0]]))

    found = replan(instance, halves("0", "1").left_in(instance), Purpose(), tolerance=0.0)

    assert found.value == pytest.approx(20 / 10.4)
    assert found.moved_bytes == 10


def test_a_plan_whose_node_is_lost_is_left_at_once_and_its_weights_come_from_the_dispatcher():
    instance = line()
    running = halves("0", "lost").left_in(instance)

    found = replan(instance, running, Purpose())

    assert running.plan is None
    assert (found.payoff.pays, found.payoff.after_s) == (True, 0.0)
    assert [(move.sender, move.first, move.last) for move in found.moves] == [(DISPATCHER, 2, 3)]
    assert found.moving_s is None  # nobody says how fast the dispatcher's links are


def test_spare_copies_save_moving():
    instance = line()
    deployed = Deployed(halves("0", "lost").stages, {"2": [(2, 3)]})

    found = replan(instance, deployed.left_in(instance), Purpose(), tolerance=2.0)

    assert found.plan == Plan((Stage(0, 2, (0,)), Stage(2, 3, (2,))), (0,))
    assert (found.moved_bytes, found.moving_s) == (0, 0.0)


@pytest.mark.parametrize(("medium", "lasts_s"), [(Medium.LINKS, 2.0), (Medium.HALF_DUPLEX, 3.0), (Medium.SHARED, 5.0)])
def test_as_much_is_moved_at_once_as_the_medium_allows(medium, lasts_s):
    rate = np.array([[0.0, 5, 10, 0], [5, 0, 0, 0], [10, 0, 0, 0], [0, 0, 5, 0]])
    base = published("star", np.full(4, 10.0), np.zeros(5), np.full(4, 50.0), rate)
    instance = replace(base, medium=medium)
    held = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 1]], dtype=bool)
    plan = Plan((Stage(0, 1, (1,)), Stage(1, 2, (2,)), Stage(2, 4, (3,))), (0, 0))

    moving = [move for move in moves(instance, plan, held) if move.sender != DISPATCHER]

    assert [(move.sender, move.receiver, move.seconds) for move in moving] == [(0, 1, 2.0), (0, 2, 1.0)]
    moving += moves(instance, Plan((Stage(3, 4, (2,)),), ()), held)
    assert lasting_s(instance, moving) == lasts_s


def test_a_plan_for_another_network_is_refused():
    with pytest.raises(InvalidInput, match="network of 2 pieces, and this one has 3"):
        Deployed((NamedStage(0, 2, ("0",)),)).left_in(line())
