"""The controller: what it applies, and what it learns of how long that takes."""

from __future__ import annotations

import pytest

from edge.device.controller import Controller
from hardware.board import Applied
from hardware.clock import VirtualClock
from planner.choosing.switching import FREE, Board
from protocol.configuration import Configuration, EdgeAccelerator

MAX = EdgeAccelerator.MAX


class SlowBoard:
    """A board on which changes take their time: 30 ms for the clock, 500 ms to wake the accelerator."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._now = Applied(0, EdgeAccelerator.OFF)

    def ladder_khz(self) -> tuple[int, ...]:
        return (600_000, 1_800_000)

    def apply(self, *, cpu_khz: int, accelerator: EdgeAccelerator) -> Applied:
        self._clock.sleep(0.03 * (cpu_khz != self._now.cpu_khz))
        self._clock.sleep(0.5 * (accelerator not in (self._now.accelerator, EdgeAccelerator.OFF)))
        self._now = Applied(cpu_khz, accelerator)
        return self._now

    def restore(self) -> None:
        """Back to where it was found, wherever that was."""


@pytest.fixture
def controller():
    clock = VirtualClock()
    return Controller(SlowBoard(clock), clock=clock)


def at(mhz: int, accelerator: EdgeAccelerator = EdgeAccelerator.OFF) -> Configuration:
    return Configuration(5, mhz * 1000, edge_accelerator=accelerator)


def test_as_long_as_nothing_was_applied_nothing_is_known(controller):
    assert controller.switching == FREE


def test_how_long_a_clock_takes_is_measured_from_the_second_change_on(controller):
    controller.apply(at(600))
    assert controller.switching.clock_ms == 0.0
    assert controller.apply(at(1800)) == pytest.approx(30.0)
    assert controller.switching.clock_ms == pytest.approx(30.0)
    assert controller.switching.board == Board(1_800_000)


def test_what_is_set_already_takes_no_time_and_teaches_nothing(controller):
    controller.apply(at(600))
    controller.apply(at(1800))
    assert controller.apply(at(1800)) == 0.0
    assert controller.switching.clock_ms == pytest.approx(30.0)


def test_waking_an_accelerator_is_told_apart_from_the_clock(controller):
    for configuration in (at(600), at(1800), at(600, MAX)):
        controller.apply(configuration)
    assert controller.switching.clock_ms == pytest.approx(30.0)
    assert controller.switching.accelerator_ms == pytest.approx(500.0)
    assert controller.switching.board == Board(600_000, MAX)


def test_letting_an_accelerator_go_is_no_waking(controller):
    for configuration in (at(600, MAX), at(600)):
        controller.apply(configuration)
    assert controller.switching.accelerator_ms == 0.0


def test_after_it_was_restored_nobody_knows_how_the_board_is_set(controller):
    controller.apply(at(600))
    controller.restore()
    assert controller.switching.board is None
