"""The queue: who waits, and by when those who wait must be done."""

from __future__ import annotations

import math
import threading
import time
from contextlib import ExitStack

import pytest

from edge.requests.turns import NO_HURRY, CallerGone, Claim, Turns
from hardware.clock import VirtualClock
from protocol.errors import DeadlineHopeless, DynaSplitError, Overloaded


@pytest.fixture
def turns():
    return Turns(max_waiting=3)


def waiting(turns: Turns, due_s: float, wait_until) -> threading.Thread:
    def wait() -> None:
        with turns.turn(Claim(due_s)):
            pass

    before = turns.waiting
    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: turns.waiting == before + 1)
    return thread


def test_it_tells_what_remains_of_the_deadlines_of_those_who_wait_in_their_order(turns, wait_until):
    with turns.turn(Claim(1.0)):
        threads = [waiting(turns, due_s, wait_until) for due_s in (12.0, math.inf, 9.0)]
        assert turns.behind_ms(10.0) == pytest.approx((-1000.0, 2000.0, math.inf))
    for thread in threads:
        thread.join()
    assert turns.behind_ms(10.0) == ()


def test_a_turn_that_is_refused_does_not_block_the_next():
    turns = Turns(max_waiting=0)
    with turns.turn(), pytest.raises(Overloaded), turns.turn():
        pass
    with ExitStack() as stack:
        stack.enter_context(turns.turn())
        assert turns.waiting == 0


def interrupted(_event: threading.Event, _timeout: float | None = None) -> bool:
    raise KeyboardInterrupt


def test_who_is_interrupted_while_waiting_leaves_no_dead_place(turns, monkeypatch):
    with turns.turn():
        with monkeypatch.context() as patch:
            patch.setattr(threading.Event, "wait", interrupted)
            with pytest.raises(KeyboardInterrupt), turns.turn():
                pass
        assert turns.waiting == 0
    assert is_free(turns)


def test_who_is_interrupted_just_when_the_turn_comes_passes_it_on(turns, monkeypatch):
    before = ExitStack()
    before.enter_context(turns.turn())

    def interrupted_late(event: threading.Event, timeout: float | None = None) -> bool:
        before.close()
        return interrupted(event, timeout)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Event, "wait", interrupted_late)
        with pytest.raises(KeyboardInterrupt), turns.turn():
            pass
    assert is_free(turns)


def is_free(turns: Turns) -> bool:
    """Whether whoever comes now need not wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Event, "wait", interrupted)
        with turns.turn():
            return turns.waiting == 0


class Line:
    """Requests in threads of their own; `served` is the order in which they got the device."""

    def __init__(self, turns: Turns, wait_until) -> None:
        self.turns, self._wait_until = turns, wait_until
        self.served: list[str] = []
        self.refused: dict[str, DynaSplitError] = {}
        self._threads: list[threading.Thread] = []

    def come(self, name: str, claim: Claim = NO_HURRY) -> None:
        """Comes, and waits."""
        before = self.turns.waiting
        self.start(name, claim)
        self._wait_until(lambda: self.turns.waiting == before + 1)

    def start(self, name: str, claim: Claim = NO_HURRY) -> None:
        self._threads.append(threading.Thread(target=self._ask, args=(name, claim)))
        self._threads[-1].start()

    def _ask(self, name: str, claim: Claim) -> None:
        try:
            with self.turns.turn(claim):
                self.served.append(name)
        except DynaSplitError as error:
            self.refused[name] = error

    def join(self, *, first: int | None = None) -> None:
        for thread in self._threads[:first]:
            thread.join(20)


@pytest.fixture
def line(wait_until):
    def of(turns: Turns) -> Line:
        return Line(turns, wait_until)

    return of


def test_the_earliest_deadline_goes_first_and_none_last_and_equals_as_they_came(line):
    requests = line(Turns(max_waiting=9))
    with requests.turns.turn():
        for name, due_s in {"none": math.inf, "late": 9.0, "soon": 3.0, "soon too": 3.0}.items():
            requests.come(name, Claim(due_s))
    requests.join()
    assert requests.served == ["soon", "soon too", "late", "none"]


def test_who_has_no_deadline_gets_its_turn_however_many_come_that_have_one(line):
    clock = VirtualClock()
    requests = line(Turns(max_waiting=9, clock=clock))
    with requests.turns.turn():
        requests.come("none")
        requests.come("in a second", Claim(clock() + 1.0))
        clock.sleep(10.0)
        requests.come("a second later", Claim(clock() + 1.0))
    requests.join()
    assert requests.served == ["in a second", "none", "a second later"]


def test_while_one_waits_for_the_cloud_the_next_has_the_device():
    turns = Turns(max_waiting=3, max_in_flight=2)
    with turns.turn() as away:
        assert away.overlaps
        away.release()
        with turns.turn() as here:
            assert (turns.under_way, here.holds, away.holds) == (2, True, False)
            assert here.overlapped and away.overlapped and not here.overlaps
        away.retake()
        assert away.holds


def test_no_more_are_under_way_than_may(line):
    requests = line(Turns(max_waiting=3, max_in_flight=2))
    with requests.turns.turn() as first:
        first.release()
        with requests.turns.turn() as second:
            second.release()
            requests.come("third")
            assert requests.turns.under_way == 2
    requests.join()
    assert requests.served == ["third"]


def test_who_comes_back_from_the_cloud_goes_by_its_deadline_too(line, wait_until):
    requests = line(Turns(max_waiting=3, max_in_flight=3))
    returning = threading.Event()

    def go_and_return() -> None:
        with requests.turns.turn(Claim(5.0)) as turn:
            turn.release()
            returning.wait(20)
            turn.retake()
            requests.served.append("back")

    thread = threading.Thread(target=go_and_return)
    thread.start()
    wait_until(lambda: requests.turns.under_way == 1)
    with requests.turns.turn():
        requests.come("later", Claim(9.0))
        requests.come("sooner", Claim(2.0))
        returning.set()
        wait_until(lambda: requests.turns.waiting == 3)
    requests.join()
    thread.join(20)
    assert requests.served == ["sooner", "back", "later"]


def test_a_measurement_runs_alone(line):
    requests = line(Turns(max_waiting=3, max_in_flight=3))
    with requests.turns.turn() as first:
        first.release()
        requests.come("measured", Claim(alone=True))
        requests.come("after it")
        assert requests.turns.under_way == 1
    requests.join()
    assert requests.served == ["measured", "after it"]


def test_who_cannot_be_in_time_behind_the_others_is_refused_at_once_and_told_why():
    clock = VirtualClock()
    turns = Turns(max_waiting=3, clock=clock)
    for _ in range(3):
        with turns.turn():
            clock.sleep(0.1)
    with turns.turn():
        clock.sleep(0.04)
        latest_s = clock() + 0.05
        with (
            pytest.raises(DeadlineHopeless, match=r"took this device 100 ms on average"),
            turns.turn(Claim(9.0, latest_s)),
        ):
            pass
        assert turns.waiting == 0


def test_who_becomes_hopeless_while_it_waits_is_refused_then():
    turns = Turns(max_waiting=3)
    with turns.turn():
        with pytest.raises(DeadlineHopeless, match="did not come"), turns.turn(Claim(0.0, time.monotonic() + 0.01)):
            pass
        assert turns.waiting == 0


def test_a_full_queue_makes_room_for_others_where_callers_have_gone(line):
    requests, hung_up = line(Turns(max_waiting=1)), threading.Event()
    with requests.turns.turn():
        requests.come("gone", Claim(gone=hung_up.is_set))
        with pytest.raises(Overloaded), requests.turns.turn():
            pass
        hung_up.set()
        requests.start("stayed")
        requests.join(first=1)
    requests.join()
    assert requests.served == ["stayed"]
    assert isinstance(requests.refused["gone"], CallerGone)


def test_who_has_gone_by_its_turn_is_not_served(line):
    requests, hung_up = line(Turns(max_waiting=2)), threading.Event()
    with requests.turns.turn():
        requests.come("gone", Claim(1.0, gone=hung_up.is_set))
        requests.come("stayed", Claim(2.0))
        hung_up.set()
    requests.join()
    assert requests.served == ["stayed"]
