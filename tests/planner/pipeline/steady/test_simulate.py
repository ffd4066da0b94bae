"""The pipeline at work: what a plan promises comes true, and what jitter and failures do to it."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from small_clusters import any_plan, small

from planner.pipeline.instance import Codec, Instance, Medium, Node, Pieces
from planner.pipeline.loads import Kind, Resource, evaluate
from planner.pipeline.plan import Plan, Stage
from planner.pipeline.steady.schedule import schedule
from planner.pipeline.steady.simulate import Conditions, Failure, alone, simulate
from protocol.errors import InvalidInput

THREE = Plan((Stage(0, 1, (0,)), Stage(1, 2, (1,)), Stage(2, 3, (2,))), (0, 0))
"""On `line`: one inference every 2 s, which takes 6 s (2 computed, 1 sent, and so on) when alone."""
TWO = Plan((Stage(0, 1, (0,)), Stage(1, 3, (2,))), (0,))


def line() -> Instance:
    """Three nodes that compute 1 s, 2 s and 1 s per piece, with links of 1 s; the ways in and out cost nothing."""
    free = np.zeros((3, 4))
    return Instance(
        name="line",
        pieces=Pieces(("in", "a", "b", "out"), np.ones(3), np.zeros(3)),
        codecs=(Codec("raw", np.ones(4), free, free),),
        nodes=tuple(Node(name, 10.0) for name in "abc"),
        compute_s=np.array([[1.0] * 3, [2.0] * 3, [1.0] * 3]),
        rate=np.ones((3, 3)),
        rate_in=np.full(3, np.inf),
        rate_out=np.full(3, np.inf),
    )


@given(seed=st.integers(0, 10**9), medium=st.sampled_from(list(Medium)), replicas=st.integers(1, 2))
@settings(max_examples=6 * settings.default.max_examples, deadline=None)
def test_what_a_plan_promises_comes_true(seed, medium, replicas):
    cluster = small(seed, medium, replicas=replicas, most=5)
    plan = any_plan(cluster, seed)
    assume(plan is not None)
    promised, ready = evaluate(cluster, plan), schedule(cluster, plan)

    ran = simulate(cluster, plan, 160)

    period_s = ready.period_s if medium is Medium.HALF_DUPLEX and ready.turns > 1 else promised.bottleneck_s
    assert ran.period_s == pytest.approx(period_s, rel=0.01)
    assert alone(cluster, plan).latency_s.mean() == pytest.approx(promised.latency_s, rel=0.01)
    assert ran.latency_s.max() <= max(each[-1].start_s + each[-1].task.seconds for each in ready.inferences) + 1e-6


def test_resources_are_busy_as_their_loads_say():
    ran = simulate(line(), THREE, 1000)

    assert ran.period_s == pytest.approx(2.0)
    assert ran.share(Resource(Kind.PROCESSOR, (1,))) == pytest.approx(1.0, abs=0.01)
    assert ran.share(Resource(Kind.PROCESSOR, (0,))) == pytest.approx(0.5, abs=0.01)
    assert ran.share(Resource(Kind.LINK, (0, 1))) == pytest.approx(0.5, abs=0.01)
    assert ran.share(Resource(Kind.PROCESSOR, (7,))) == 0.0


def test_a_slow_source_sets_the_pace_and_nobody_waits():
    ran = simulate(line(), THREE, 50, Conditions(interval_s=5.0))

    assert ran.period_s == pytest.approx(5.0)
    assert ran.latency_s.tolist() == pytest.approx([6.0] * 50)


def test_behind_a_source_that_is_too_fast_inferences_wait_ever_longer():
    ran = simulate(line(), THREE, 50, Conditions(interval_s=1.0))

    assert ran.period_s == pytest.approx(2.0)
    assert ran.latency_s[-1] == pytest.approx(6.0 + 49.0)


def test_the_same_seed_gives_the_same_run_and_another_one_another():
    runs = [simulate(line(), THREE, 50, Conditions(jitter=0.3, seed=seed)).left_s.tolist() for seed in (1, 1, 2)]

    assert runs[0] == runs[1] != runs[2]


def test_jitter_slows_a_full_pipeline_and_leaves_the_mean_of_an_inference_alone():
    conditions = Conditions(jitter=0.3)

    assert simulate(line(), THREE, 2000, conditions).period_s > 2.02
    assert alone(line(), THREE, conditions, count=4000).latency_s.mean() == pytest.approx(6.0, rel=0.01)


def test_a_failure_loses_what_is_in_the_pipeline_and_ends_it_without_another_plan():
    ran = simulate(line(), THREE, 50, failures=[Failure(at_s=20.5, node=1)])

    assert (ran.finished, ran.lost, ran.refused) == (8, 3, 39)
    assert ran.span_s == 20.5
    assert ran.busy_s[Resource(Kind.PROCESSOR, (1,))] == pytest.approx(18.5)


def test_after_a_pause_another_plan_goes_on():
    ran = simulate(line(), THREE, 50, failures=[Failure(at_s=20.5, node=1, pause_s=10.0, plan=TWO)])

    assert (ran.finished, ran.lost, ran.refused) == (47, 3, 0)
    assert ran.left_s[8] == pytest.approx(30.5 + 4.0)
    assert ran.left_s[9] - ran.left_s[8] == pytest.approx(2.0)


def test_what_comes_while_nothing_runs_is_refused():
    failure = Failure(at_s=20.5, node=1, pause_s=10.0, plan=TWO)

    ran = simulate(line(), THREE, 10, Conditions(interval_s=5.0), failures=[failure])

    assert (ran.finished, ran.lost, ran.refused) == (6, 2, 2)


def test_a_node_that_takes_no_part_may_fail():
    ran = simulate(line(), TWO, 10, failures=[Failure(at_s=1.0, node=1)])

    assert (ran.finished, ran.lost) == (10, 0)


def test_too_few_inferences_tell_no_period():
    assert math.isnan(simulate(line(), THREE, 2).period_s)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda: simulate(line(), THREE, 0), "at least one inference"),
        (lambda: Conditions(jitter=-0.1), "jitter"),
        (lambda: Conditions(jitter=math.nan), "jitter"),
        (lambda: Conditions(interval_s=0.0), "interval"),
    ],
)
def test_bad_input_is_named(wrong, named):
    with pytest.raises(InvalidInput, match=named):
        wrong()
