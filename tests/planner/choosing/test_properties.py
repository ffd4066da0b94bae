"""What holds of every choice, whatever the table states of its uncertainty, and whatever was learned since."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.choosing.candidates import Candidates
from planner.choosing.strategies import Request, choose
from planner.choosing.switching import Board, Switching
from planner.learning.experience import Experience, Observed
from planner.pricing import Expected, Parts
from protocol.configuration import Account, CloudAccelerator, Configuration, EdgeAccelerator
from protocol.link import Link
from protocol.table import Row

LAST = 9
FIGURES = ("head_ms", "cloud_ms", "head_mj", "cloud_node_mj")

numbers = st.integers(0, 40).map(float)
shares = st.sampled_from([None, 0.003, 0.02, 0.1, 0.4])
ratios = st.sampled_from([0.5, 0.9, 1.0, 1.02, 1.3, 3.0])


@st.composite
def rows(draw) -> Row:
    cut = draw(st.integers(0, LAST))
    sends = cut < LAST
    uncertain = draw(shares)
    return Row(
        configuration=Configuration(
            cut,
            draw(st.sampled_from([600_000, 1_800_000])),
            draw(st.sampled_from(EdgeAccelerator)),
            draw(st.sampled_from(CloudAccelerator)),
        ),
        head_ms=draw(numbers),
        head_mj=draw(numbers),
        wait_w=draw(numbers) / 10 * sends,
        up_bytes=draw(st.sampled_from([10, 800, 5000])) * sends,
        down_bytes=100 * sends,
        cloud_ms=draw(numbers) * sends,
        cloud_node_mj=draw(numbers) * sends,
        cloud_active_mj=None if sends else 0.0,
        accuracy=None,
        uncertainty={} if uncertain is None else dict.fromkeys(FIGURES, uncertain),
    )


links = st.builds(Link, numbers, numbers.map(lambda rate: rate + 1), numbers.map(lambda rate: rate + 1))


@st.composite
def worlds(draw, *, tries: bool) -> Candidates:
    """A table over a link, with what a few requests have taught of it; the board set in one way or another."""
    table, link = draw(st.lists(rows(), min_size=1, max_size=5)), draw(links)
    history = draw(st.lists(st.tuples(st.integers(0, len(table) - 1), ratios, ratios, st.integers(1, 30)), max_size=3))
    parts = Parts.of(table)
    experience = Experience.of(parts, violation_rate=draw(st.sampled_from([0.001, 0.05])), tries=tries)
    for place, head, waiting, times in history:
        experience = experience.after(observed(parts, link, place, head, waiting, times), link)
    switching = Switching(3.0, 2.0, draw(st.sampled_from([None, Board(600_000), Board(1_800_000)])))
    return Candidates(table, parts, link, experience, switching=switching)


def observed(parts: Parts, link: Link, place: int, head: float, waiting: float, times: int) -> Observed:
    figures = parts.figures(link)[:, place] * [head, waiting, head, waiting]
    return Observed(
        np.full(times, place), np.full(times, 50.0), *np.broadcast_to(figures[:, None], (4, times)).astype(float)
    )


def prices(candidates: Candidates) -> Expected:
    return candidates.expected(Account.EDGE_NODE)


def choice(candidates: Candidates, deadline_ms: float | None):
    return choose("dynasplit", candidates, Request(deadline_ms))


deadlines = st.one_of(st.none(), st.integers(0, 60).map(lambda number: 4.0 * number))


@pytest.mark.parametrize("tries", [True, False])
@given(data=st.data(), deadline_ms=deadlines)
def test_no_row_is_chosen_that_is_predicted_late_while_another_is_in_time(tries, data, deadline_ms):
    candidates = data.draw(worlds(tries=tries))

    chosen = choice(candidates, deadline_ms)

    due_ms = np.inf if deadline_ms is None else deadline_ms
    assert chosen.in_time == bool((prices(candidates).guarded_ms <= due_ms).any())


@given(worlds(tries=False), deadlines)
def test_without_tries_no_row_is_chosen_that_another_beats_in_guarded_latency_and_expected_energy(
    candidates, deadline_ms
):
    chosen, expected = choice(candidates, deadline_ms), prices(candidates)

    assert not (chosen.in_time and dominated(chosen.index, expected.guarded_ms, expected.energy_mj))


@given(worlds(tries=True), deadlines)
def test_with_tries_no_row_is_chosen_that_another_beats_in_guarded_latency_and_hoped_energy(candidates, deadline_ms):
    chosen, expected = choice(candidates, deadline_ms), prices(candidates)

    assert not (chosen.in_time and dominated(chosen.index, expected.guarded_ms, expected.hoped_mj))


def dominated(row: int, latency_ms, energy_mj) -> bool:
    no_worse = (latency_ms <= latency_ms[row]) & (energy_mj <= energy_mj[row])
    return bool((no_worse & ((latency_ms < latency_ms[row]) | (energy_mj < energy_mj[row]))).any())


@given(worlds(tries=True), deadlines)
def test_a_try_costs_at_most_what_is_not_known_of_it(candidates, deadline_ms):
    chosen, expected = choice(candidates, deadline_ms), prices(candidates)
    due_ms = np.inf if deadline_ms is None else deadline_ms

    if chosen.in_time:
        least_mj = expected.energy_mj[expected.guarded_ms <= due_ms].min()
        doubt_mj = expected.energy_mj[chosen.index] - expected.hoped_mj[chosen.index]
        assert chosen.predicted_mj - least_mj <= doubt_mj + 1e-9


@given(worlds(tries=True))
def test_whether_it_tries_changes_what_is_hoped_and_nothing_else(candidates):
    steady = candidates.now(candidates.link, experience=replace(candidates.experience, tries=False))

    trying, plain = prices(candidates), prices(steady)
    assert np.all(trying.hoped_mj <= plain.hoped_mj)
    assert np.array_equal(plain.hoped_mj, plain.energy_mj)
    for figure in ("latency_ms", "spread_ms", "guarded_ms", "energy_mj"):
        assert np.array_equal(getattr(trying, figure), getattr(plain, figure))


@given(worlds(tries=False), deadlines, st.sampled_from([1.0, 2.0, 7.0]), st.sampled_from([1.0, 3.0]))
def test_without_tries_a_slower_link_makes_nothing_faster_and_the_choice_never_cheaper(
    candidates, deadline_ms, longer, narrower
):
    link = candidates.link
    slow = candidates.now(
        Link(link.rtt_ms * longer, link.up_bytes_per_ms / narrower, link.down_bytes_per_ms / narrower)
    )
    before, after = choice(candidates, deadline_ms), choice(slow, deadline_ms)

    for figure in ("latency_ms", "guarded_ms", "energy_mj"):
        assert np.all(getattr(prices(slow), figure) >= getattr(prices(candidates), figure))
    if after.in_time:
        assert before.in_time
        assert after.predicted_mj >= before.predicted_mj


def test_with_tries_a_slower_link_may_change_which_row_has_the_benefit_of_the_doubt():
    """Why the test above is about no tries: here the slower link makes the one that is tried too dear to be tried."""
    untried = edge(5, 130.0, 0.3, up_bytes=100_000)
    known = edge(LAST, 105.0, 0.003, up_bytes=0)
    fast = Candidates.of([untried, known], Link(10.0, 1000.0, 1000.0))
    fast = fast.now(fast.link, experience=Experience.of(fast.parts))
    slow = fast.now(Link(10.0, 100.0, 1000.0))

    before, after = choice(fast, None), choice(slow, None)

    assert (before.row, after.row) == (untried, known)
    assert after.predicted_mj < before.predicted_mj


def edge(cut: int, head_mj: float, uncertainty: float, *, up_bytes: int) -> Row:
    return Row(
        configuration=Configuration(cut, 1_800_000),
        head_ms=100.0,
        head_mj=head_mj,
        wait_w=0.03 if up_bytes else 0.0,
        up_bytes=up_bytes,
        down_bytes=1 if up_bytes else 0,
        cloud_ms=1.0 if up_bytes else 0.0,
        cloud_node_mj=1.0 if up_bytes else 0.0,
        cloud_active_mj=None if up_bytes else 0.0,
        accuracy=None,
        uncertainty={"head_mj": uncertainty},
    )
