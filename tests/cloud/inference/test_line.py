"""Who may begin to wait for a tail, on a clock of the test's own."""

from __future__ import annotations

import contextlib

import pytest

from cloud.inference.in_flight import InFlight
from cloud.inference.line import Line
from protocol.errors import Busy, DeadlineHopeless, Overloaded

BUNDLE, CUT = "b" * 64, 4


class Stage:
    """A line whose clock stands still until it is moved."""

    def __init__(self, most_waiting: int = 16) -> None:
        self.now_s = 0.0
        self.line = Line(most_waiting, clock=lambda: self.now_s)
        self.calls = contextlib.ExitStack()

    def runs(self, took_s: float, *, cut: int = CUT, patience_s: float | None = None) -> None:
        with self.line.place(BUNDLE, cut, patience_s=patience_s) as place:
            began_s = self.line.runs(place)
            self.now_s += took_s
            self.line.ran(place, began_s)

    def comes(self, *, cut: int = CUT, patience_s: float | None = None, running: bool = False) -> None:
        place = self.calls.enter_context(self.line.place(BUNDLE, cut, patience_s=patience_s))
        if running:
            self.line.runs(place)


@pytest.fixture
def stage() -> Stage:
    """A tail is known to take 100 ms."""
    made = Stage()
    made.runs(5.0)
    made.runs(0.1)
    return made


def test_whose_own_tail_takes_too_long_is_told_at_once(stage):
    with pytest.raises(DeadlineHopeless, match=r"90 ms are left, but this tail takes 100 ms"):
        stage.comes(patience_s=0.09)

    stage.comes(patience_s=0.11)


def test_a_slow_moment_refuses_nobody_who_is_alone_but_a_tail_that_stays_slow_does(stage):
    stage.runs(5.0)
    stage.runs(0.1, patience_s=0.2)

    for _ in range(16):
        stage.runs(5.0)
    with pytest.raises(DeadlineHopeless, match="this tail takes 5000 ms"):
        stage.comes(patience_s=0.2)


def test_after_a_pause_one_call_measures_anew_and_the_next_are_told(stage):
    stage.now_s += 11.0
    stage.runs(0.1, patience_s=0.01)

    with pytest.raises(DeadlineHopeless):
        stage.comes(patience_s=0.01)


def test_who_cannot_be_done_in_time_is_told_at_once_and_when_to_come_again(stage):
    for _ in range(3):
        stage.comes()

    with pytest.raises(DeadlineHopeless, match=r"390 ms are left, .* take 400 ms") as refused:
        stage.comes(patience_s=0.39)

    assert refused.value.retry_after_s == pytest.approx(0.3)
    stage.comes(patience_s=0.41)


def test_what_ran_already_counts_no_more(stage):
    stage.comes(running=True)
    stage.now_s += 0.06

    assert stage.line.wait_s() == pytest.approx(0.04)
    stage.comes(patience_s=0.15)


def test_one_that_runs_longer_than_usual_is_expected_to_end_now(stage):
    stage.comes(running=True)
    stage.now_s += 7.0

    assert stage.line.wait_s() == 0.0


def test_each_tail_takes_its_own_time(stage):
    stage.runs(1.0, cut=0)
    stage.runs(1.0, cut=0)
    stage.comes()

    with pytest.raises(DeadlineHopeless):
        stage.comes(cut=0, patience_s=0.5)
    stage.comes(patience_s=0.5)


def test_the_average_follows_what_is_measured(stage):
    for _ in range(30):
        stage.runs(0.5)
    stage.comes()

    assert stage.line.wait_s() == pytest.approx(0.5, rel=0.01)


def test_what_is_not_known_yet_refuses_nobody():
    stage = Stage()
    stage.comes()

    stage.comes(patience_s=0.001)


def test_what_failed_says_nothing_of_how_long_it_takes(stage):
    with pytest.raises(OSError), stage.line.place(BUNDLE, CUT, patience_s=None) as place:
        stage.line.runs(place)
        stage.now_s += 9.0
        raise OSError
    stage.comes()

    assert stage.line.wait_s() == pytest.approx(0.1)


def test_more_than_may_wait_are_refused_until_one_has_left(stage):
    small = Stage(most_waiting=2)
    for _ in range(3):
        small.comes()

    with pytest.raises(Busy, match="2 requests wait"):
        small.comes()

    small.calls.close()
    small.comes()


def test_a_caller_has_so_many_requests_under_way_and_others_have_theirs():
    in_flight = InFlight(2)
    with in_flight.one_of("pi-1"):
        with in_flight.one_of("pi-1"):
            with pytest.raises(Overloaded, match="of requests this token may have 2"), in_flight.one_of("pi-1"):
                pass
            with in_flight.one_of("pi-2"):
                pass
        with in_flight.one_of("pi-1"):
            pass


def test_all_callers_together_have_so_many_requests_under_way():
    in_flight = InFlight(1, together=2)
    with in_flight.one_of("pi-1"):
        with in_flight.one_of("pi-2"), pytest.raises(Busy, match="2 are under way here"), in_flight.one_of("pi-3"):
            pass
        with in_flight.one_of("pi-3"):
            pass
