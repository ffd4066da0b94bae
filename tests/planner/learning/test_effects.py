import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.learning.effects import GROUP_SD, Sums, effects

JITTER = np.array([0.02, 0.02])
GROUPS = np.array([0, 0, 0, 0, 1])
PRIOR = np.full(5, 0.05**2)


def after(seen: dict[int, list[float]]):
    observed = [seen.get(row, []) for row in range(5)]
    sums = Sums(
        np.array([float(len(values)) for values in observed]),
        np.array([float(np.sum(values)) for values in observed]),
        np.array([float(np.sum(np.square(values))) for values in observed]),
    )
    return effects(sums, prior_variance=PRIOR, jitter_sd=JITTER, groups=GROUPS)


def test_before_anything_is_seen_the_prediction_stands_with_all_its_uncertainty():
    found = after({})

    assert np.all(found.mean == 0)
    assert found.variance == pytest.approx(PRIOR + GROUP_SD**2 + JITTER[GROUPS] ** 2)


def test_a_row_that_was_seen_often_speaks_for_itself():
    found = after({0: [0.3] * 200})

    assert found.mean[0] == pytest.approx(0.3, abs=0.01)
    assert found.variance[0] < after({0: [0.3] * 5}).variance[0] < after({}).variance[0]


def test_rows_that_agree_move_their_group_and_no_other():
    found = after({row: [0.5] * 50 for row in (0, 1, 2)})

    assert 0.4 < found.mean[3] < 0.5
    assert found.level[1] == found.mean[4] == 0


def test_one_row_does_not_pass_for_its_group():
    assert after({0: [0.5] * 100}).mean[3] < 0.02


def test_rows_that_disagree_do_not_move_their_group():
    assert after({0: [0.6] * 50, 1: [0.0] * 50, 2: [0.0] * 50}).mean[3] < 0.02


def test_a_row_that_scatters_does_not_make_its_neighbours_untrustworthy():
    steady = [0.001, -0.001] * 50
    with_a_wild_one = after({0: steady, 1: steady, 2: [0.5, -0.5] * 50})

    assert with_a_wild_one.variance[0] < 0.01**2
    assert with_a_wild_one.variance[2] > 0.3**2


@given(st.dictionaries(st.integers(0, 4), st.lists(st.floats(-2, 2), min_size=1, max_size=9)))
def test_what_is_expected_lies_between_nothing_and_what_was_seen(seen):
    found = after(seen)

    values = [value for row in seen.values() for value in row] + [0.0]
    assert np.all(found.variance > 0)
    assert np.all(found.mean >= min(values) - 1e-9)
    assert np.all(found.mean <= max(values) + 1e-9)
