from hypothesis import given
from hypothesis import strategies as st

from edge.device.health import WELL, Health


def test_what_is_well_is_usable():
    assert WELL.usable(0.0)


def test_what_failed_is_left_alone_until_its_next_try():
    health = WELL.failed("it hung", 100.0)

    assert (health.reason, health.since_s) == ("it hung", 100.0)
    assert not health.usable(104.9)
    assert health.usable(105.0)


def test_each_failure_in_a_row_doubles_the_pause_up_to_five_minutes():
    health, pauses, now_s = WELL, [], 0.0
    for _ in range(9):
        health = health.failed("it hung", now_s)
        pauses.append(health.retry_s - now_s)
        now_s = health.retry_s

    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert health.since_s == 0.0


def test_after_a_change_it_is_tried_at_once_and_the_pauses_begin_anew():
    health = WELL.failed("gone", 0.0).failed("gone", 5.0).at_once(6.0)

    assert health.usable(6.0)
    assert health.failed("gone", 6.0).retry_s >= 6.0
    assert WELL.at_once(3.0) is WELL


@given(st.lists(st.floats(0, 1e5), min_size=1))
def test_a_pause_is_never_longer_than_five_minutes_nor_none(pauses):
    health, now_s = Health(), 0.0
    for pause_s in pauses:
        now_s += pause_s
        health = health.failed("no", now_s)
        assert 5.0 <= health.pause_s <= 300.0
