import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.policy import cheapest, cheapest_in_time, fastest, rows_for
from protocol.errors import InvalidInput

figures = st.integers(0, 8).map(float)
instances = st.lists(st.tuples(figures, figures, figures), min_size=1, max_size=12).map(lambda rows: np.array(rows).T)


@given(instances, st.lists(st.one_of(figures, st.just(math.inf)), min_size=1, max_size=6))
def test_the_vectors_choose_what_single_requests_choose(rows, deadlines_ms):
    latency_ms, energy_mj, extra_ms = rows
    guarded_ms = latency_ms + extra_ms

    chosen = rows_for(deadlines_ms, latency_ms, energy_mj, guarded_ms=guarded_ms)

    for index, deadline_ms in zip(chosen, deadlines_ms, strict=True):
        single = cheapest_in_time(guarded_ms, energy_mj, deadline_ms)
        assert index == (fastest(latency_ms, energy_mj) if single is None else single)


@given(instances, figures)
def test_no_late_row_is_chosen_while_another_is_in_time(rows, deadline_ms):
    latency_ms, energy_mj, _ = rows

    (index,) = rows_for([deadline_ms], latency_ms, energy_mj)

    assert latency_ms[index] <= deadline_ms or np.all(latency_ms > deadline_ms)


@given(instances, figures)
def test_no_row_in_time_is_cheaper_than_the_chosen_one(rows, deadline_ms):
    latency_ms, energy_mj, _ = rows

    (index,) = rows_for([deadline_ms], latency_ms, energy_mj)

    in_time = latency_ms <= deadline_ms
    assert not in_time.any() or energy_mj[index] == energy_mj[in_time].min()


@given(instances, figures)
def test_when_all_are_late_the_fastest_serves(rows, deadline_ms):
    latency_ms, energy_mj, _ = rows

    (index,) = rows_for([deadline_ms - 20], latency_ms, energy_mj)

    assert latency_ms[index] == latency_ms.min()


@given(instances)
def test_without_a_deadline_the_cheapest_serves(rows):
    latency_ms, energy_mj, _ = rows

    (index,) = rows_for([math.inf], latency_ms, energy_mj)

    assert index == cheapest(latency_ms, energy_mj)


@given(instances, st.lists(figures, min_size=2, max_size=6))
def test_a_looser_deadline_never_costs_more_energy_once_met(rows, deadlines_ms):
    latency_ms, energy_mj, _ = rows
    met = np.sort([deadline_ms for deadline_ms in deadlines_ms if deadline_ms >= latency_ms.min()])

    chosen = rows_for(met, latency_ms, energy_mj)

    assert np.all(np.diff(energy_mj[chosen]) <= 0)


def test_ties_go_to_the_faster_then_to_the_first_row():
    latency_ms, energy_mj = np.array([3.0, 2.0, 2.0, 4.0]), np.array([1.0, 1.0, 1.0, 1.0])

    assert list(rows_for([5.0, 2.5, 1.0], latency_ms, energy_mj)) == [1, 1, 1]


def test_the_shape_of_the_deadlines_is_kept():
    chosen = rows_for(np.full((2, 3), 9.0), np.array([1.0, 2.0]), np.array([5.0, 4.0]))

    assert chosen.shape == (2, 3)


def test_a_deadline_that_is_no_number_is_refused():
    with pytest.raises(InvalidInput, match="NaN"):
        rows_for([math.nan], np.array([1.0]), np.array([1.0]))
