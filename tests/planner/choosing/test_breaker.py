from __future__ import annotations

from planner.choosing.breaker import Breaker

START_MS = 50_000.0
CALM = Breaker(threshold=2, pause_ms=2_000.0, longest_ms=8_000.0)
OPEN = CALM.failed(START_MS).failed(START_MS)


def test_single_failures_do_not_open_it():
    breaker = CALM
    for _ in range(5):
        breaker = breaker.failed(START_MS)
        assert breaker.failing
        breaker = breaker.succeeded()
    assert breaker.allows(START_MS) and not breaker.failing


def test_failures_in_a_row_open_it_until_the_pause_is_over():
    assert not OPEN.allows(START_MS) and not OPEN.allows(START_MS + 1_999.0)
    assert OPEN.allows(START_MS + 2_000.0)


def test_each_failed_attempt_doubles_the_pause_up_to_a_bound():
    breaker, now_ms, pauses = CALM.failed(START_MS), START_MS, []
    for _ in range(5):
        breaker = breaker.failed(now_ms)
        pauses.append(breaker.open_until_ms - now_ms)
        now_ms = breaker.open_until_ms
    assert pauses == [2_000.0, 4_000.0, 8_000.0, 8_000.0, 8_000.0]


def test_a_success_closes_it():
    assert OPEN.succeeded().failed(START_MS).allows(START_MS)
