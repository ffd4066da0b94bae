"""How many requests a minute."""

from __future__ import annotations

import pytest

from cloud.access.rates import Rates
from protocol.errors import Overloaded


@pytest.fixture
def now() -> list[float]:
    return [0.0]


def taken(rates: Rates, caller: str, times: int) -> int:
    """How many of so many requests are let through."""
    passed = 0
    for _ in range(times):
        try:
            rates.take(caller)
        except Overloaded:
            continue
        passed += 1
    return passed


def test_a_minutes_requests_may_come_at_once_and_no_more(now):
    rates = Rates(60, clock=lambda: now[0])

    assert taken(rates, "ci", 100) == 60


def test_they_come_back_evenly(now):
    rates = Rates(60, clock=lambda: now[0])
    taken(rates, "ci", 60)

    now[0] += 10.0

    assert taken(rates, "ci", 100) == 10


def test_each_caller_has_its_own(now):
    rates = Rates(1, clock=lambda: now[0])
    taken(rates, "ci", 5)

    assert taken(rates, "device pi-1", 5) == 1


def test_who_is_refused_is_told_when_to_come_again(now):
    rates = Rates(30, clock=lambda: now[0])
    taken(rates, "ci", 30)

    with pytest.raises(Overloaded, match="30 requests a minute of ci") as refused:
        rates.take("ci")
    assert refused.value.retry_after_s == pytest.approx(2.0)


def test_zero_is_no_limit(now):
    assert taken(Rates(0, clock=lambda: now[0]), "ci", 10_000) == 10_000
