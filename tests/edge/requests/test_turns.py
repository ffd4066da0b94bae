"""The queue: who waits, and by when those who wait must be done."""

from __future__ import annotations

import math
import threading
from contextlib import ExitStack

import pytest

from edge.requests.turns import Claim, Turns
from protocol.errors import Overloaded


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
