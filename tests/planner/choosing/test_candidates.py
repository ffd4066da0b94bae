import math

import numpy as np
import pytest

from planner.choosing.candidates import Candidates
from planner.choosing.limits import Limits
from planner.choosing.switching import Board, Switching
from planner.learning.experience import Experience, Observed
from planner.pricing import Parts, price
from protocol.configuration import Account, Configuration
from protocol.errors import InvalidInput
from protocol.link import Link
from protocol.table import Row

LINK, SLOW = Link(2.0, 100.0, 100.0), Link(50.0, 10.0, 100.0)
SENDS = Row(Configuration(4, 1_800_000), 20.0, 80.0, 3.0, 1000, 100, 5.0, 700.0, None, None)
STAYS = Row(Configuration(9, 600_000), 60.0, 240.0, 0.0, 0, 0, 0.0, 0.0, 0.0, None)
ROWS = (SENDS, STAYS)
NODE = Account.EDGE_NODE


def test_without_experience_prices_are_taken_at_their_word():
    expected, prices = Candidates.of(ROWS, LINK).expected(NODE), price(ROWS, LINK, NODE)

    assert np.array_equal(expected.guarded_ms, prices.latency_ms)
    assert np.array_equal(expected.hoped_mj, prices.energy_mj)


def test_another_link_changes_the_prices_and_nothing_else():
    limits, switching = Limits(min_cut=2), Switching(7.0, board=Board(600_000))
    candidates = Candidates.of(ROWS, LINK, limits=limits, switching=switching, cloud_available=False)

    slow = candidates.now(SLOW)

    assert (slow.limits, slow.switching, slow.cloud_available) == (limits, switching, False)
    assert slow.parts is candidates.parts
    assert slow.expected(NODE).latency_ms[0] > candidates.expected(NODE).latency_ms[0]
    assert slow.expected(NODE).latency_ms[1] == candidates.expected(NODE).latency_ms[1]


def test_each_account_has_its_own_prices():
    candidates = Candidates.of(ROWS, LINK)

    node, edge = candidates.expected(NODE), candidates.expected(Account.EDGE)

    assert list(node.energy_mj - edge.energy_mj) == [700.0, 0.0]
    assert candidates.expected(NODE) is node, "priced once"
    with pytest.raises(InvalidInput, match="edge_active"):
        candidates.expected(Account.EDGE_ACTIVE)


@pytest.mark.parametrize(
    ("now", "allowed"),
    [
        ({}, [True, True]),
        ({"cloud_available": False}, [False, True]),
        ({"limits": Limits(min_cut=5)}, [False, True]),
        ({"limits": Limits(bytes_left=999.0)}, [False, True]),
        ({"limits": Limits(min_cut=4, bytes_left=1000.0)}, [True, True]),
    ],
)
def test_a_row_is_allowed_that_the_cloud_and_the_limits_leave(now, allowed):
    candidates = Candidates.of(ROWS, LINK, **now)

    assert list(candidates.allowed) == allowed
    assert candidates.all_allowed == all(allowed)


def test_how_long_it_waits_for_the_cloud_is_corrected_by_what_was_learned():
    parts = Parts.of(ROWS)
    plain_ms = float(parts.waiting_ms(LINK)[0])
    twice = np.full(200, 2 * plain_ms)
    nothing = np.full(200, math.nan)
    seen = Observed(np.zeros(200, np.intp), np.full(200, math.inf), nothing, twice, nothing, nothing)
    experience = Experience.of(parts)
    for _ in range(5):
        experience = experience.after(seen, LINK)

    assert Candidates.of(ROWS, LINK).waiting_ms(0) == plain_ms
    assert Candidates.of(ROWS, LINK, experience=experience).waiting_ms(0) == pytest.approx(2 * plain_ms, rel=0.05)
    assert Candidates.of(ROWS, LINK, experience=experience).waiting_ms(1) == 0


def test_prices_still_hold_as_long_as_nothing_changes_that_they_depend_on():
    limits = Limits(min_cut=2)
    candidates = Candidates.of(ROWS, LINK, limits=limits)

    assert candidates.still(LINK, limits=Limits(min_cut=2), cloud_available=True)
    assert not candidates.still(SLOW, limits=limits)
    assert not candidates.still(LINK, limits=limits, cloud_available=False)
    assert not candidates.still(LINK, limits=Limits(min_cut=3))


def test_candidates_that_were_prepared_like_others_choose_as_they_would_have():
    asked, prepared, plain = (Candidates.of(ROWS, LINK, experience=Experience.of(Parts.of(ROWS))) for _ in range(3))
    asked.expected(NODE)

    prepared.prepare(asked)

    assert np.array_equal(prepared.expected(NODE).guarded_ms, plain.expected(NODE).guarded_ms)
    assert prepared.waiting_ms(0) == plain.waiting_ms(0)
