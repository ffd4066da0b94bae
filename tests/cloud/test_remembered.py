"""What is served while the store answers, refuses, or does neither."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from cloud.remembered import Remembered
from protocol.errors import ServiceMissing


class Source:
    """Counts who asks it; `says` is its answer."""

    def __init__(self) -> None:
        self.says: str | Exception | None = "one"
        self.asked = 0
        self.goes_on = threading.Event()
        self.goes_on.set()

    def __call__(self) -> str | None:
        self.asked += 1
        self.goes_on.wait(30)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    def waiting(condition: Callable[[], bool]) -> None:
        tick = threading.Event()
        for _ in range(3000):
            if condition():
                return
            tick.wait(0.01)
        raise AssertionError("the condition did not come true in time")

    return waiting


@pytest.fixture
def now_s() -> list[float]:
    return [100.0]


@pytest.fixture
def source() -> Source:
    return Source()


def remembered(now_s: list[float], *, patience_s: float = 30.0) -> Remembered[str, str]:
    return Remembered(fresh_s=10.0, clock=lambda: now_s[0], patience_s=patience_s)


def test_a_fresh_value_is_not_asked_for_and_an_old_one_is(now_s, source):
    values = remembered(now_s)
    assert [values.get("a", source), values.get("a", source), source.asked] == ["one", "one", 1]

    now_s[0], source.says = 111.0, "two"

    assert [values.get("a", source), source.asked] == ["two", 2]


def test_what_was_forgotten_is_asked_for(now_s, source):
    values = remembered(now_s)
    values.get("a", source)
    source.says = None

    values.forget()

    assert values.get("a", source) is None
    source.says = "back"
    assert values.get("a", source) == "back"


def test_a_source_that_refuses_is_served_stale_and_left_alone_for_a_moment(now_s, source):
    values = remembered(now_s)
    values.get("a", source)
    values.forget()
    source.says = ServiceMissing("away")

    assert [values.get("a", source) for _ in range(3)] == ["one"] * 3
    assert source.asked == 2


def test_a_source_that_refused_is_waited_for_by_nobody_until_it_has_answered(now_s, source, wait_until):
    values = remembered(now_s)
    values.get("a", source)
    now_s[0], source.says = 111.0, ServiceMissing("away")
    wait_until(lambda: values.get("a", source) == "one" and source.asked == 2)
    now_s[0], source.says = 115.0, "two"
    source.goes_on.clear()

    assert [values.get("a", source) for _ in range(3)] == ["one"] * 3

    source.goes_on.set()
    wait_until(lambda: values.get("a", source) == "two")
    assert source.asked == 3


def test_who_knows_nothing_is_told_that_the_source_says_nothing(now_s, source):
    values = Remembered(fresh_s=10.0, clock=lambda: now_s[0], first_patience_s=0.0)
    source.goes_on.clear()

    for _ in range(3):
        with pytest.raises(ServiceMissing, match="has not answered"):
            values.get("a", source)

    assert source.asked <= 1
    source.goes_on.set()


def test_a_source_that_says_nothing_holds_nobody_who_has_a_value(now_s, source):
    values = remembered(now_s, patience_s=0.0)
    values.get("a", source)
    now_s[0] = 111.0
    source.goes_on.clear()

    assert [values.get("a", source) for _ in range(3)] == ["one"] * 3

    assert source.asked <= 2
    source.goes_on.set()


def test_an_error_of_another_kind_is_not_hidden(now_s, source):
    values = remembered(now_s)
    values.get("a", source)
    values.forget()
    source.says = ValueError("a fault of ours")

    with pytest.raises(ValueError, match="a fault of ours"):
        values.get("a", source)
