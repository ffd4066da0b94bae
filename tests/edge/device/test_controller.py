"""The controller: what it applies, and what it learns of how long that takes."""

from __future__ import annotations

import pytest

from edge.device.controller import Controller
from edge.device.heat import Heat
from hardware.board import Applied, ClockNotApplied
from hardware.clock import VirtualClock
from hardware.throttling import Slowdown
from planner.choosing.switching import FREE, Board
from protocol.configuration import Configuration, EdgeAccelerator
from protocol.errors import NotAllowed
from protocol.work import Work

MAX = EdgeAccelerator.MAX


class SlowBoard:
    """A board on which changes take their time: 30 ms for the clock, 500 ms to wake the accelerator."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._now = Applied(0, EdgeAccelerator.OFF)
        self.word, self.holding, self.cap_khz, self.asked_khz = Slowdown(), True, 1_800_000, []
        self.ours = True

    def ladder_khz(self) -> tuple[int, ...]:
        return (600_000, 1_200_000, 1_800_000)

    def apply(self, *, cpu_khz: int, accelerator: EdgeAccelerator) -> Applied:
        self._clock.sleep(0.03 * (cpu_khz != self._now.cpu_khz))
        self._clock.sleep(0.5 * (accelerator not in (self._now.accelerator, EdgeAccelerator.OFF)))
        self.asked_khz.append(cpu_khz)
        if not self.ours:
            raise NotAllowed("scaling_setspeed: Permission denied")
        if cpu_khz > self.cap_khz:
            raise ClockNotApplied(f"it runs at {self.cap_khz} kHz", reached_khz=self.cap_khz)
        self._now = Applied(cpu_khz, accelerator)
        return self._now

    def execute(self, _work, run, **_how):
        return run()

    def slowdown(self, **_how) -> Slowdown:
        return self.word

    def holds(self, _cpu_khz: int) -> bool:
        return self.holding

    def restore(self) -> None:
        """Back to where it was found, wherever that was."""


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def controller(clock):
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


def run(controller, clock) -> None:
    """A piece of work, a second after the one before."""
    clock.sleep(1)
    controller.execute(Work(), lambda: None, threads=1)


def test_a_clock_that_is_missed_is_told_and_the_next_lower_one_is_set(controller):
    controller.board.cap_khz = 1_300_000

    switched = controller.apply_nearest(at(1800))

    assert (switched.missed, controller.switching.board) == ("it runs at 1300000 kHz", Board(1_200_000))
    assert controller.board.asked_khz == [1_800_000, 1_200_000]


def test_a_clock_that_was_missed_is_not_asked_for_again_at_once(controller, clock):
    controller.board.cap_khz = 1_300_000
    for _ in range(3):
        controller.apply_nearest(at(1800))
    controller.apply_top_clock()

    assert controller.board.asked_khz == [1_800_000, 1_200_000]


def test_what_must_be_just_so_is_tried_and_fails(controller):
    controller.board.cap_khz = 1_300_000

    for _ in range(2):
        with pytest.raises(ClockNotApplied):
            controller.apply(at(1800))


def test_a_board_that_reaches_nothing_is_left_as_it_is(controller):
    controller.board.cap_khz = 0

    assert "it runs at 0 kHz" in controller.apply_nearest(at(1800)).missed
    assert controller.switching.board is None


@pytest.mark.parametrize(
    ("word", "asked_next"), [(0x2, 1_200_000), (0x4, 1_200_000), (0x8, 1_200_000), (0x1, 1_800_000)]
)
def test_a_clock_that_firmware_takes_away_is_not_believed(controller, clock, word, asked_next):
    controller.apply_nearest(at(1800))
    controller.board.word = Slowdown(word)
    run(controller, clock)

    controller.apply_top_clock()

    assert controller.board.asked_khz[-1] == asked_next


def test_the_soft_limit_takes_the_top_clock_alone(controller, clock):
    controller.board.word = Slowdown(0x8)
    for _ in range(5):
        controller.apply_top_clock()
        run(controller, clock)

    assert controller.switching.board == Board(1_200_000)


def test_heat_takes_one_clock_after_the_other_and_gives_them_back(controller, clock):
    controller.board.word = Slowdown(0x4)
    for _ in range(5):
        controller.apply_top_clock()
        run(controller, clock)
    hot = controller.switching.board
    controller.board.word = Slowdown()
    clock.sleep(3600)
    controller.apply_top_clock()
    run(controller, clock)

    assert (hot, controller.switching.board) == (Board(600_000), Board(1_800_000))


def test_a_clock_that_another_program_changed_is_set_again(controller, clock):
    controller.apply_nearest(at(1800))
    controller.board.holding = False
    run(controller, clock)
    controller.apply_nearest(at(1800))

    assert controller.board.asked_khz == [1_800_000, 1_800_000]


def test_what_slows_the_board_down_is_passed_on_when_it_begins_and_ends(clock):
    heat, told = Heat(SlowBoard(clock).ladder_khz(), clock=clock), []
    controller = Controller(SlowBoard(clock), heat=heat, clock=clock)
    controller.apply_top_clock()
    heat.on_change(lambda: told.append(controller.board.word.now))
    for word in (0x1, 0x1, 0x0, 0x0):
        controller.board.word = Slowdown(word)
        run(controller, clock)

    assert told == [("under-voltage",), ()]


def test_a_right_that_is_lost_meanwhile_is_a_clock_that_cannot_be_had(controller):
    controller.apply(Configuration(cut=1, cpu_khz=600_000))
    controller.board.ours = False

    switched = controller.apply_nearest(Configuration(cut=1, cpu_khz=1_800_000))

    assert "Permission denied" in switched.missed
    with pytest.raises(ClockNotApplied, match="Permission denied"):
        controller.apply(Configuration(cut=1, cpu_khz=1_200_000))
