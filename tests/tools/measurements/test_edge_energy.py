"""A device's energy told apart: whatever was recorded, nothing is lost and nothing is negative."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.measurements.edge_energy import Trial, split_mj

times_ms = st.floats(0, 1e5)
trials = st.builds(
    Trial,
    group=st.sampled_from(["600 MHz", "1800 MHz"]),
    kind=st.just("no TPU"),
    head_ms=times_ms,
    waited_ms=times_ms,
    edge_mj=st.floats(0, 1e6),
)


@settings(max_examples=30)
@given(st.lists(trials, min_size=1, max_size=30))
def test_parts_are_not_negative_and_add_up_to_the_total(recorded):
    for trial, (head_mj, wait_mj) in zip(recorded, split_mj(recorded), strict=True):
        assert head_mj >= 0
        assert wait_mj >= 0
        assert head_mj + wait_mj == pytest.approx(trial.edge_mj, rel=1e-12)


@settings(max_examples=30)
@given(
    st.floats(2, 8), st.floats(1, 6), st.lists(st.tuples(st.floats(1, 1e4), st.floats(1, 1e4)), min_size=8, max_size=30)
)
def test_two_powers_are_found_where_there_are_two(busy_w, waiting_w, times):
    spread = [*times, (1e4, 1.0), (1.0, 1e4)]
    recorded = [Trial("g", "k", head, waited, busy_w * head + waiting_w * waited) for head, waited in spread]

    for trial, (head_mj, _) in zip(recorded, split_mj(recorded), strict=True):
        assert head_mj == pytest.approx(busy_w * trial.head_ms, rel=1e-3, abs=1e-3)


def test_a_time_that_nobody_can_have_taken_says_nothing_of_power():
    assert split_mj([Trial("g", "k", 0.0, 2.2e-308, 400.0)]) == [(0.0, 400.0)]


def test_an_edge_only_trial_spends_all_on_its_head():
    assert split_mj([Trial("g", "k", 100.0, 0.0, 400.0)]) == [(400.0, 0.0)]
