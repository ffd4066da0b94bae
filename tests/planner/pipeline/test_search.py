"""The search, against trying every plan there is."""

import math
from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.pipeline.instance import Codec, Floats, Instance, Medium, Node, Pieces
from planner.pipeline.loads import energy_j, evaluate
from planner.pipeline.plan import Plan, Stage
from planner.pipeline.search import Objective, best
from protocol.errors import InvalidInput


def small(seed: int, medium: Medium, *, replicas: int) -> Instance:
    """A random instance of up to 4 nodes, 4 pieces and 2 codecs; some links and some memory are missing."""
    rng = np.random.default_rng(seed)
    nodes, pieces, codecs = int(rng.integers(1, 5)), int(rng.integers(1, 5)), int(rng.integers(1, 3))
    rate = rng.uniform(1, 10, (nodes, nodes)) * (rng.random((nodes, nodes)) < 0.85)

    def some(*shape: int) -> Floats:
        return rng.uniform(0, 2, shape) * (rng.random(shape) < 0.7)

    return Instance(
        name="small",
        pieces=Pieces(tuple(map(str, range(pieces + 1))), rng.uniform(0, 10, pieces), some(pieces)),
        codecs=tuple(
            Codec(str(codec), rng.uniform(0, 20, pieces + 1), some(nodes, pieces + 1) / 4, some(nodes, pieces + 1) / 4)
            for codec in range(codecs)
        ),
        nodes=tuple(
            Node(
                str(node),
                float(rng.uniform(5, 40)),
                *(float(watts) for watts in (1, 1 + rng.random() * 3, *some(2))),
            )
            for node in range(nodes)
        ),
        compute_s=rng.uniform(0, 3, (nodes, pieces)) * float(rng.random() < 0.8),
        rate=rate,
        rate_in=np.where(rng.random(nodes) < 0.3, np.inf, rng.uniform(1, 10, nodes)),
        rate_out=np.where(rng.random(nodes) < 0.3, np.inf, rng.uniform(1, 10, nodes)),
        medium=medium,
        replicas=replicas,
    )


def every_plan(instance: Instance):
    """All plans, those that cannot run left out."""
    points, nodes = instance.pieces.count, range(len(instance.nodes))
    groups = [group for size in range(1, instance.replicas + 1) for group in combinations(nodes, size)]
    for cut_count in range(min(points, len(instance.nodes))):
        for cuts in combinations(range(1, points), cut_count):
            ends = (0, *cuts, points)
            for units in permutations(groups, cut_count + 1):
                if len(set(sum(units, ()))) < len(sum(units, ())):
                    continue
                stages = tuple(Stage(*each) for each in zip(ends, ends[1:], units, strict=False))
                for codecs in product(range(len(instance.codecs)), repeat=cut_count):
                    plan = Plan(stages, codecs)
                    try:
                        evaluation = evaluate(instance, plan)
                    except InvalidInput:
                        continue
                    yield plan, evaluation


def value(instance: Instance, objective: Objective, plan, evaluation, period_s: float) -> float:
    if objective is Objective.LATENCY:
        return evaluation.latency_s
    return energy_j(instance, plan, period_s) if objective is Objective.ENERGY else evaluation.bottleneck_s


@pytest.mark.parametrize("medium", list(Medium))
@pytest.mark.parametrize("objective", list(Objective))
@pytest.mark.parametrize("replicas", [1, 2])
@given(seed=st.integers(0, 10**9))
@settings(max_examples=60, deadline=None)
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
