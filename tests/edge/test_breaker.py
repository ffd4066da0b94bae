"""The circuit breaker."""

from __future__ import annotations

import pytest

from edge.breaker import Breaker
from hardware.clock import VirtualClock


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(50.0)


@pytest.fixture
def breaker(clock) -> Breaker:
    return Breaker(clock=clock, threshold=2, cooldown_s=2.0, longest_s=8.0)


def test_single_failures_do_not_open_it(breaker):
    for _ in range(5):
        breaker.failed()
        breaker.succeeded()
    assert breaker.allows()


def test_failures_in_a_row_open_it_until_the_cooldown_is_over(breaker, clock):
    breaker.failed()
    breaker.failed()
    assert not breaker.allows()
    clock.sleep(2.0)
    assert breaker.allows()


def test_each_failed_attempt_doubles_the_cooldown_up_to_a_bound(breaker, clock):
    breaker.failed()
    pauses = []
    for _ in range(5):
        breaker.failed()
        began = clock()
        while not breaker.allows():
            clock.sleep(0.5)
        pauses.append(clock() - began)
    assert pauses == [2.0, 4.0, 8.0, 8.0, 8.0]


def test_a_success_closes_it(breaker, clock):
    breaker.failed()
    breaker.failed()
    clock.sleep(2.0)
    breaker.succeeded()
    breaker.failed()
    assert breaker.allows()
