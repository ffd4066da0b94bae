import pytest

from hardware.clock import VirtualClock


def test_sleeping_moves_the_clock_by_just_that_time():
    clock = VirtualClock(start_s=5.0)

    clock.sleep(2.5)

    assert clock() == 7.5


def test_time_does_not_pass_by_itself():
    clock = VirtualClock()

    assert clock() == clock() == 0.0


def test_the_clock_cannot_be_turned_back():
    with pytest.raises(ValueError, match="-1"):
        VirtualClock().sleep(-1)
