import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.choosing.policy import cheapest, cheapest_in_time, likeliest, rows_for
from planner.pricing import Expected
from protocol.errors import InvalidInput

figures = st.integers(0, 8).map(float)


def expected(latency_ms, energy_mj, spread_ms=None, stretch=3.0) -> Expected:
    latency_ms, energy_mj = np.array(latency_ms), np.array(energy_mj)
    spread_ms = np.zeros_like(latency_ms) if spread_ms is None else np.array(spread_ms)
    guarded_ms = latency_ms + stretch * spread_ms
    return Expected(latency_ms, spread_ms, guarded_ms, guarded_ms, energy_mj, energy_mj)


instances = st.lists(st.tuples(figures, figures, figures), min_size=1, max_size=12).map(
    lambda rows: expected(*np.array(rows).T)
)


@given(instances, st.lists(st.one_of(figures, st.just(math.inf)), min_size=1, max_size=6))
def test_the_vectors_choose_what_single_requests_choose(rows, deadlines_ms):
    chosen = rows_for(rows, deadlines_ms)

    for index, deadline_ms in zip(chosen, deadlines_ms, strict=True):
        single = cheapest_in_time(rows, deadline_ms)
        assert index == (likeliest(rows, deadline_ms) if single is None else single)


@given(instances, figures)
def test_no_row_that_is_predicted_late_is_chosen_while_another_is_in_time(rows, deadline_ms):
    (index,) = rows_for(rows, [deadline_ms])

    assert rows.guarded_ms[index] <= deadline_ms or np.all(rows.guarded_ms > deadline_ms)


@given(instances, figures)
def test_no_row_in_time_is_cheaper_than_the_chosen_one(rows, deadline_ms):
    (index,) = rows_for(rows, [deadline_ms])

    in_time = rows.guarded_ms <= deadline_ms
    assert not in_time.any() or rows.energy_mj[index] == rows.energy_mj[in_time].min()


@given(instances, st.one_of(figures, st.just(math.inf)))
def test_no_row_is_chosen_that_another_beats_in_time_and_energy(rows, deadline_ms):
    (index,) = rows_for(rows, [deadline_ms])
    in_time = (rows.guarded_ms <= deadline_ms).any()
    latency_ms = rows.guarded_ms if in_time else rows.latency_ms

    beaten = (latency_ms <= latency_ms[index]) & (rows.energy_mj < rows.energy_mj[index])
    same_chance = beaten & (rows.spread_ms == rows.spread_ms[index])
    assert not (beaten if in_time else same_chance & (latency_ms == latency_ms[index])).any()


@given(instances, figures)
def test_when_nothing_has_a_chance_the_fastest_serves(rows, deadline_ms):
    certain = expected(rows.latency_ms, rows.energy_mj)

    (index,) = rows_for(certain, [deadline_ms - 20])

    assert certain.latency_ms[index] == certain.latency_ms.min()


def test_when_none_is_surely_in_time_the_best_chance_serves():
    rows = expected([100.0, 101.0], [1.0, 1.0], spread_ms=[5.0, 0.5])

    assert list(rows_for(rows, [102.0, 99.0])) == [1, 0]


@given(instances)
def test_without_a_deadline_the_cheapest_serves(rows):
    (index,) = rows_for(rows, [math.inf])

    assert index == cheapest(rows)


@given(instances, st.lists(figures, min_size=2, max_size=6))
def test_a_looser_deadline_never_costs_more_energy_once_met(rows, deadlines_ms):
    met = np.sort([deadline_ms for deadline_ms in deadlines_ms if deadline_ms >= rows.guarded_ms.min()])

    chosen = rows_for(rows, met)

    assert np.all(np.diff(rows.energy_mj[chosen]) <= 0)


def test_ties_go_to_the_faster_then_to_the_first_row():
    rows = expected([3.0, 2.0, 2.0, 4.0], [1.0, 1.0, 1.0, 1.0])

    assert list(rows_for(rows, [5.0, 2.5, 1.0])) == [1, 1, 1]


def test_the_shape_of_the_deadlines_is_kept():
    chosen = rows_for(expected([1.0, 2.0], [5.0, 4.0]), np.full((2, 3), 9.0))

    assert chosen.shape == (2, 3)


@pytest.mark.parametrize("wrong_ms", [math.nan, -math.inf])
def test_a_deadline_that_is_no_number_is_refused(wrong_ms):
    with pytest.raises(InvalidInput, match="infinity for none"):
        rows_for(expected([1.0], [1.0]), [5.0, wrong_ms])
