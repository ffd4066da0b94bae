import logging

import pytest

from edge.device.accelerators import Accelerators, limit_s
from hardware.accelerator.edge_tpu import PluggedEdgeTpu
from hardware.accelerator.emulated_usb import EmulatedUsb
from hardware.accelerator.presence import BusPresence
from hardware.clock import VirtualClock
from protocol.configuration import EdgeAccelerator
from protocol.errors import AcceleratorFailed

OFF, STD, MAX = EdgeAccelerator


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(1000.0)


@pytest.fixture
def usb(tmp_path) -> EmulatedUsb:
    made = EmulatedUsb(tmp_path)
    made.plug()
    return made


@pytest.fixture
def accelerators(usb, clock) -> Accelerators:
    return Accelerators(PluggedEdgeTpu((OFF, STD, MAX), BusPresence(usb.root, clock=clock), clock=clock), clock=clock)


def test_a_board_without_any_limits_nothing():
    none = Accelerators()

    assert none.usable() is None
    assert none.state() == {}
    none.check(OFF)


def test_all_may_be_chosen_while_it_is_well(accelerators):
    assert accelerators.usable() is None
    assert accelerators.state()["std"] == {"usable": True, "reason": "", "since_s": None}


def test_one_that_fails_is_left_alone_and_the_other_clock_is_not(accelerators, clock):
    accelerators.failed(STD, "the head hung")

    assert accelerators.usable() == {OFF, MAX}
    clock.sleep(2)
    assert accelerators.state()["std"] == {
        "usable": False,
        "reason": "the head hung",
        "since_s": 2.0,
        "retry_in_s": 3.0,
    }
    with pytest.raises(AcceleratorFailed, match=r"accelerator std cannot be used: the head hung \(since 2 s\)"):
        accelerators.check(STD)
    accelerators.check(MAX)


def test_one_that_hangs_is_left_alone_at_any_clock(accelerators):
    accelerators.hung("the head hung")

    assert accelerators.usable() == {OFF}


def test_it_is_tried_again_after_a_while_and_one_success_heals(accelerators, clock):
    accelerators.failed(STD, "the head hung")
    clock.sleep(5)
    assert accelerators.usable() is None
    accelerators.worked(STD)
    assert accelerators.state()["std"]["reason"] == ""


def test_one_that_vanishes_is_out_in_both_clocks_and_back_as_soon_as_it_is_there(accelerators, usb, clock):
    usb.unplug()
    assert accelerators.usable() == {OFF}
    clock.sleep(7)
    assert accelerators.state()["max"] == {"usable": False, "reason": "it is not on the bus", "since_s": 7.0}
    with pytest.raises(AcceleratorFailed, match=r"accelerator max cannot be used: it is not on the bus \(since 7 s\)"):
        accelerators.check(MAX)
    usb.plug()
    clock.sleep(1)
    assert accelerators.usable() is None


def test_coming_back_ends_the_pause_after_a_failure(accelerators, usb, clock):
    for _ in range(5):
        accelerators.failed(STD, "it was gone")
    usb.unplug()
    assert accelerators.usable() == {OFF}
    usb.plug()
    clock.sleep(1)
    assert accelerators.usable() is None


def test_each_change_is_said_once(accelerators, usb, clock, caplog):
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            accelerators.failed(STD, "the head hung")
        usb.unplug()
        for _ in range(3):
            accelerators.usable()
        usb.plug()
        clock.sleep(1)
        accelerators.usable()
        for _ in range(3):
            accelerators.worked(STD)

    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "INFO", "INFO"]
    assert "left alone for 5 s" in caplog.text and "works again" in caplog.text


def test_each_change_is_told_to_who_listens_once(accelerators, usb, clock):
    told = []
    accelerators.on_change(lambda: told.append(clock()))
    for _ in range(3):
        accelerators.failed(STD, "the head hung")
    usb.unplug()
    for _ in range(3):
        accelerators.usable()
    usb.plug()
    clock.sleep(1)
    for _ in range(3):
        accelerators.worked(STD)
    accelerators.usable()

    assert len(told) == 4


@pytest.mark.parametrize(("head_ms", "seconds"), [(0.0, None), (5.0, 0.8), (434.0, 4.34)])
def test_a_head_hangs_when_it_takes_many_times_what_was_predicted(head_ms, seconds):
    assert limit_s(head_ms) == (None if seconds is None else pytest.approx(seconds))
