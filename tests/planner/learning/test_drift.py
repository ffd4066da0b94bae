import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.learning.drift import Drift
from planner.learning.experience import Observed
from planner.pricing import Parts
from protocol.configuration import Configuration
from protocol.errors import InvalidInput
from protocol.link import Link
from protocol.table import Row

LINK = Link(rtt_ms=2.0, up_bytes_per_ms=100.0, down_bytes_per_ms=100.0)
SENDS = Row(Configuration(4, 1_800_000), 20.0, 80.0, 3.0, 1000, 100, 5.0, 700.0, None, None)
STAYS = Row(Configuration(9, 1_800_000), 60.0, 240.0, 0.0, 0, 0, 0.0, 0.0, 0.0, None)
PARTS = Parts.of([SENDS, STAYS])


def served(count: int, *, row: int = 0, **factors: float) -> Observed:
    """So many requests of one row, each figure as predicted, or so many times that."""
    head_ms, waiting_ms, edge_mj, cloud_mj = (np.full(count, value) for value in PARTS.figures(LINK)[:, row])
    return Observed(
        rows=np.full(count, row),
        deadlines_ms=np.full(count, np.inf),
        head_ms=head_ms * factors.get("head_ms", 1.0),
        waiting_ms=waiting_ms * factors.get("waiting_ms", 1.0),
        edge_mj=edge_mj * factors.get("edge_mj", 1.0),
        cloud_mj=cloud_mj * factors.get("cloud_mj", 1.0),
    )


def after(drift: Drift, count: int, **factors: float) -> Drift:
    for _ in range(count):
        drift = drift.after(served(1, **factors), LINK)
    return drift


def test_what_goes_as_predicted_has_not_drifted():
    assert after(Drift.of(PARTS), 500).found == ()


@pytest.mark.parametrize("figure", ["head_ms", "waiting_ms", "edge_mj", "cloud_mj"])
@pytest.mark.parametrize("factor", [1.4, 0.6])
def test_a_figure_that_stays_off_is_told_by_name_and_amount_once_it_has_lasted(figure, factor):
    drift = after(Drift.of(PARTS), 199, **{figure: factor})
    assert drift.found == ()

    (found,) = after(drift, 1, **{figure: factor}).found

    assert (found.figure, found.requests) == (figure, 200)
    assert found.ratio == pytest.approx(factor)
    assert ("above" if factor > 1 else "below") in str(found)


def test_a_shift_within_the_bound_is_none():
    assert after(Drift.of(PARTS), 1000, head_ms=1.2).found == ()


@pytest.mark.exhaustive
def test_a_shift_is_found_after_a_long_time_without_one():
    drift = after(Drift.of(PARTS), 5000)

    assert [found.figure for found in after(drift, 300, cloud_mj=1.5).found] == ["cloud_mj"]


def test_a_few_stalled_requests_are_no_drift():
    drift = after(Drift.of(PARTS), 100)

    assert after(after(drift, 3, waiting_ms=1e6), 300).found == ()


@pytest.mark.exhaustive
def test_it_ends_when_the_figure_has_long_been_as_predicted_and_not_before():
    drift = after(Drift.of(PARTS), 300, head_ms=1.4)

    assert after(drift, 300, head_ms=1.2).found
    assert after(drift, 100).found
    assert not after(drift, 400).found


@pytest.mark.parametrize("factor", [1.4, 0.6])
def test_while_it_ends_it_is_told_as_what_it_was_and_how_long_ago(factor):
    drift = after(after(Drift.of(PARTS), 300, head_ms=factor), 240)

    (found,) = drift.found

    assert abs(found.ratio - 1) > 0.25
    assert 300 <= found.requests < 400
    assert found.requests + found.near_again == 540
    assert str(found).endswith(f"for {found.requests} requests, and near it for the last {found.near_again}")
    assert found.to_json() == {
        "figure": "head_ms",
        "ratio": found.ratio,
        "requests": found.requests,
        "near_again": found.near_again,
    }


def test_what_is_told_of_it_is_the_mean_over_the_requests_that_are_told():
    (found,) = after(after(Drift.of(PARTS), 300, head_ms=1.4), 300, head_ms=1.8).found

    assert (found.requests, found.near_again) == (600, 0)
    assert found.ratio == pytest.approx(1.6)
    assert str(found).endswith("60% above what the table predicts, for 600 requests: profile the device again")


def test_a_drift_that_comes_back_before_its_end_is_the_same_drift():
    drift = after(after(after(Drift.of(PARTS), 300, head_ms=1.4), 150), 200, head_ms=1.4)

    (found,) = drift.found

    assert found.near_again == 0
    assert found.requests < 650


@pytest.mark.exhaustive
def test_a_figure_that_swings_around_the_bound_does_not_flap():
    drift, states = after(Drift.of(PARTS), 300, edge_mj=1.3), []
    for _ in range(10):
        drift = after(after(drift, 60, edge_mj=1.2), 60, edge_mj=1.3)
        states.append(bool(drift.found))

    assert all(states)


def test_a_short_head_that_is_off_by_little_does_not_outweigh_the_others():
    short = Parts.of([Row(Configuration(1, 1_800_000), 0.1, 0.5, 3.0, 1000, 100, 5.0, 700.0, None, None), STAYS])
    observed = [
        Observed(np.array([row]), np.array([np.inf]), np.array([head_ms]), *(np.array([np.nan]) for _ in range(3)))
        for row, head_ms in ((0, 1.0), (1, 60.0))
    ]
    drift = Drift.of(short)
    for number in range(600):
        drift = drift.after(observed[number % 2], LINK)

    assert drift.found == ()


def test_what_an_edge_only_request_does_not_show_says_nothing():
    drift = Drift.of(PARTS)
    for _ in range(400):
        drift = drift.after(served(1, row=1, head_ms=2.0, waiting_ms=np.nan, cloud_mj=np.nan), LINK)

    assert [found.figure for found in drift.found] == ["head_ms"]


@given(st.floats(1.3, 7.0), st.integers(1, 50))
def test_requests_that_come_together_count_as_those_that_come_one_by_one(factor, chunk):
    drift = Drift.of(PARTS)
    for _ in range(-(-200 // chunk)):
        drift = drift.after(served(chunk, head_ms=factor), LINK)

    assert [found.figure for found in drift.found] == ["head_ms"]


@pytest.mark.parametrize("wrong", [{"bound": 0.0}, {"bound": float("nan")}, {"least_requests": 0}])
def test_a_bound_that_is_none_is_refused(wrong):
    with pytest.raises(InvalidInput):
        Drift.of(PARTS, **wrong)
