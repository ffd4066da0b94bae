"""What waits for the writer is bounded, and nobody waits for ever."""

from __future__ import annotations

import threading

from cloud.intake.waiting import Waiting

PATIENCE_S = 20.0


def gathered(waiting: Waiting[str], weight: int = 100) -> list[str]:
    return waiting.gather(first_within_s=0.0, then_within_s=0.0, weight=weight)


def test_items_come_out_as_they_went_in_up_to_a_weight():
    waiting: Waiting[str] = Waiting(most=100)
    for name in "abcd":
        assert waiting.put(name, weight=10)

    assert gathered(waiting, weight=20) == ["a", "b"]
    assert (gathered(waiting), gathered(waiting), waiting.weight) == (["c", "d"], [], 0)


def test_what_has_no_room_is_refused_but_a_single_item_always_has():
    waiting: Waiting[str] = Waiting(most=100)

    assert waiting.put("large", weight=1000)
    assert not waiting.put("small", weight=1)


def test_room_that_comes_in_time_is_taken():
    waiting: Waiting[str] = Waiting(most=1)
    waiting.put("first", weight=1)
    taker = threading.Thread(target=lambda: waiting.gather(first_within_s=0.0, then_within_s=0.0, weight=1))
    taker.start()

    assert waiting.put("second", weight=1, patience_s=PATIENCE_S)
    taker.join()


def test_the_end_is_reached_once_all_is_taken_out():
    waiting: Waiting[str] = Waiting(most=10)
    waiting.put("last", weight=1)
    waiting.end()

    assert not waiting.put("late", weight=1, patience_s=PATIENCE_S)
    assert not waiting.ended
    assert waiting.gather(first_within_s=PATIENCE_S, then_within_s=PATIENCE_S, weight=10) == ["last"]
    assert waiting.ended
