"""The queue: who waits, and by when those who wait must be done."""

from __future__ import annotations

import math
import threading
from contextlib import ExitStack

import pytest

from edge.turns import Turns
from protocol.errors import Overloaded


@pytest.fixture
def turns():
    return Turns(max_waiting=3)


def waiting(turns: Turns, due_s: float, wait_until) -> threading.Thread:
    def wait() -> None:
        with turns.turn(due_s=due_s):
            pass

    before = turns.waiting
    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: turns.waiting == before + 1)
    return thread


def test_it_tells_what_remains_of_the_deadlines_of_those_who_wait_in_their_order(turns, wait_until):
    with turns.turn(due_s=1.0):
        threads = [waiting(turns, due_s, wait_until) for due_s in (12.0, math.inf, 9.0)]
        assert turns.behind_ms(10.0) == pytest.approx((2000.0, math.inf, -1000.0))
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
