"""Why no plan exists: each reason is true, and the first that tells comes first."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.pipeline.finding.capacity import MemoryOf, nodes_missing
from planner.pipeline.finding.infeasible import why_infeasible
from planner.pipeline.finding.search import best
from planner.pipeline.instance import Instance
from planner.pipeline.published import instance, read_published

MIB = 2.0**20


def cluster(pieces, capacity, links=None) -> Instance:
    """Pieces and capacities in MiB; everybody linked to everybody unless links are given."""
    rate = np.ones((len(capacity), len(capacity)))
    if links is not None:
        rate = np.zeros_like(rate)
        for sender, receiver in links:
            rate[sender, receiver] = 1.0
    sizes = np.array(pieces, dtype=float) * MIB
    return instance("small", sizes, np.ones(len(sizes) + 1), np.array(capacity, dtype=float) * MIB, rate)


def reason(problem: Instance, **how) -> str:
    found = best(problem, **how)
    assert found.plan is None
    assert found.proven
    told = why_infeasible(problem, **how)
    assert "\n" not in told
    return told


def test_a_piece_that_fits_nowhere_is_named_with_the_largest_node():
    told = reason(cluster([1, 8, 9, 1], [4, 8]))

    assert told == (
        "piece 2 (2 to 3) fits on no node: it needs 9 MiB, and must stay below the 8 MiB of the largest, node 1"
    )


def test_memory_must_stay_below_so_that_a_piece_as_large_as_a_node_does_not_fit():
    assert "needs 8 MiB, and must stay below the 8 MiB" in reason(cluster([8], [8, 8]))


def test_too_few_nodes_are_counted_with_those_that_are_missing():
    told = reason(cluster([3] * 8, [7, 7, 7]))

    assert "there are 3 of 7 MiB, and at least 1 more of 7 MiB are needed (4 in all)" in told


def test_of_mixed_nodes_the_largest_is_named():
    assert "there are 2, the largest of 7 MiB, and at least 2 more of 7 MiB" in reason(cluster([3] * 7, [4, 7]))


@pytest.mark.reference
def test_the_published_instance_without_a_plan_needs_one_node_more(reference: Path):
    path = reference / "seifer" / "InceptionResNetV2-64MB-n5-s0.json"
    problem = read_published(json.loads(path.read_text()))

    told = reason(problem)

    assert "there are 5 of 64 MiB, and at least 1 more of 64 MiB are needed (6 in all)" in told


def test_islands_that_are_too_small_each_are_told():
    told = reason(cluster([3] * 7, [7] * 5, [(0, 1), (1, 0), (2, 3), (3, 4)]))

    assert told == (
        "no group of nodes that links join has memory for all pieces: the largest has 3 of 5 (nodes 2, 3, 4)"
    )


def test_nodes_that_the_dispatcher_cannot_reach_are_named():
    problem = cluster([3] * 4, [7] * 3, [(0, 1), (2, 0)])
    cut_off = replace(problem, rate_in=np.array([1.0, 0, 0]), rate_out=np.array([1.0, 0, 0]))

    told = reason(cut_off)

    assert told.startswith(
        "nodes 1, 2 cannot take part, since no links lead there from the dispatcher or none lead back"
    )


@pytest.mark.parametrize(("way", "told"), [("rate_in", "no node can be reached"), ("rate_out", "no node can answer")])
def test_a_dispatcher_without_links_is_told(way, told):
    assert told in reason(replace(cluster([1], [7, 7]), **{way: np.zeros(2)}))


def test_what_is_left_is_that_no_order_of_links_fits():
    told = reason(cluster([3] * 6, [7, 7, 7], [(0, 1), (0, 2)]))

    assert "no order of nodes that follows the links has room for all pieces" in told


def test_a_throughput_that_no_plan_reaches_is_told_with_the_greatest():
    problem = cluster([3] * 4, [7, 7])

    assert reason(problem, period_s=0.5) == "no plan does 2 inferences per second: at most 1 can be done"


@given(seed=st.integers(0, 10**6))
def test_as_many_nodes_as_are_said_to_be_missing_would_do_and_fewer_would_not(seed):
    rng = np.random.default_rng(seed)
    pieces = rng.uniform(0, 6, int(rng.integers(1, 8)))
    capacity = rng.choice([6.5, 8.0, 10.0], int(rng.integers(1, 4)))
    missing = nodes_missing(MemoryOf(cluster(pieces, capacity)), range(len(capacity)))

    for more in (missing - 1, missing):
        if more >= 0:
            enough = best(cluster(pieces, [*capacity, *[capacity.max()] * more]))
            assert (enough.plan is not None) == (more == missing)


def test_nodes_of_many_sizes_count_as_the_largest():
    problem = cluster([3] * 200, np.linspace(3.5, 7, 60))

    assert nodes_missing(MemoryOf(problem), range(60)) == 40


@given(seed=st.integers(0, 10**6))
def test_every_instance_without_a_plan_has_a_reason(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 5))
    problem = cluster(rng.uniform(0, 6, int(rng.integers(1, 7))), rng.uniform(4, 9, count))
    problem = replace(problem, rate=rng.uniform(1, 9, (count, count)) * (rng.random((count, count)) < 0.4))

    if best(problem).plan is None:
        assert why_infeasible(problem)


@pytest.mark.parametrize("period_s", [np.inf, 5.0])
def test_no_reason_is_made_up_where_a_plan_exists(period_s):
    with pytest.raises(AssertionError, match="a plan exists"):
        why_infeasible(cluster([1, 1], [4, 4]), period_s=period_s)


def test_a_period_that_is_too_short_is_the_reason_also_when_the_search_for_the_fastest_ended_early(monkeypatch):
    problem = cluster([3, 3], [4, 4])
    slow = replace(best(problem), bound=0.0, proven=False)
    monkeypatch.setattr("planner.pipeline.finding.infeasible.best", lambda *_, **__: slow)

    told = why_infeasible(problem, period_s=slow.value / 2)

    assert told == "no plan does 2 inferences per second: the fastest that is known does 1"
