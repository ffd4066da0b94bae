"""The controller: the only one that changes the board."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from edge.device.heat import Heat
from edge.device.running_mean import RunningMean
from hardware.board import Applied, Board, ClockNotApplied
from hardware.clock import Clock
from planner.choosing import switching
from planner.choosing.switching import Switching
from protocol.configuration import Configuration, EdgeAccelerator
from protocol.errors import NotAllowed
from protocol.work import Work

logger = logging.getLogger(__name__)

T = TypeVar("T")


_LOOK_EVERY_S = 1.0
"""Asking the firmware takes a moment, and heat is slow."""


@dataclass(frozen=True)
class Switched:
    """How long it took to set the board, in ms, and why it was set otherwise than wanted ("": it was not)."""

    ms: float
    missed: str = ""


class Controller:
    """Applies configurations to the board, measures how long that takes, and runs work on it. For one request at a time;
    `switching` may be asked from any thread.

    What becomes of the clocks tells `heat` which of them to believe.
    """

    def __init__(self, board: Board, *, heat: Heat | None = None, clock: Clock = time.monotonic) -> None:
        self.board = board
        self._clock = clock
        self._heat = heat or Heat(board.ladder_khz(), clock=clock)
        self._looked_s = float("-inf")
        self._applied: Applied | None = None
        self._clock_ms = RunningMean()
        self._accelerator_ms = RunningMean()

    @property
    def switching(self) -> Switching:
        """What changes have taken on this board, 0 as long as none was seen, and how it is set now, if that is known."""
        now = self._applied
        board = switching.Board(now.cpu_khz, now.accelerator) if now else None
        return Switching(self._clock_ms.value, self._accelerator_ms.value, board)

    def apply(self, configuration: Configuration) -> float:
        """Sets clock and accelerator unless they are set so already; the ms that it took. ClockNotApplied where that cannot be."""
        return self._set(Applied(configuration.cpu_khz, configuration.edge_accelerator))

    def apply_nearest(self, configuration: Configuration) -> Switched:
        """As `apply`, but where the clock is not believed, or missed now, the highest one below that is."""
        return self._set_nearest(configuration.cpu_khz, configuration.edge_accelerator)

    def apply_top_clock(self) -> Switched:
        """The highest clock that may be used and is reached, without accelerator: for work that has to be done as soon as
        possible on the CPU."""
        return self._set_nearest(self._heat.top_khz, EdgeAccelerator.OFF)

    def execute(self, work: Work, run: Callable[[], T], *, threads: int) -> T:
        """Runs a piece of work with what was applied."""
        result = self.board.execute(work, run, threads=threads)
        self._look()
        return result

    def check_held(self, configuration: Configuration) -> None:
        """ClockNotApplied when the board has left the clock that was applied."""
        khz = configuration.cpu_khz
        if not self.board.holds(khz):
            self._applied = None
            raise ClockNotApplied(f"the CPU left {khz} kHz meanwhile: firmware, heat or another program took it away")

    def restore(self) -> None:
        """Puts the board back as it was found."""
        self._applied = None
        self.board.restore()

    def _set_nearest(self, wanted_khz: int, accelerator: EdgeAccelerator) -> Switched:
        """Tries two clocks at most, then leaves the board at what it reached: late is better than never."""
        began_s, missed = self._clock(), ""
        for _ in range(2):
            khz = self._heat.nearest_khz(wanted_khz)
            if khz != wanted_khz and not missed:
                missed = f"clock {wanted_khz} kHz was not reached lately, {khz} kHz was set"
            try:
                self._set(Applied(khz, accelerator))
                break
            except ClockNotApplied as error:
                missed = str(error)
        return Switched((self._clock() - began_s) * 1e3, missed)

    def _look(self) -> None:
        """Whether the board still is what was applied: firmware takes a clock away at any time, and gives it back."""
        if self._applied is None or self._clock() - self._looked_s < _LOOK_EVERY_S:
            return
        self._looked_s = self._clock()
        khz, slowdown = self._applied.cpu_khz, self.board.slowdown(at_once=True)
        self._heat.slowed(slowdown.now)
        at_top = khz == self._heat.ladder_khz[-1]
        if slowdown.takes_clock or (slowdown.takes_top_clock and at_top):
            self._heat.missed(khz, why=", ".join(slowdown.now))
        elif self.board.holds(khz):
            self._heat.held(khz)
        else:
            self._applied = None  # to be set again, and seen to, by the next request

    def _set(self, wanted: Applied) -> float:
        before = self._applied
        if before == wanted:
            return 0.0
        self._applied = None
        began_s = self._clock()
        try:
            self._applied = self._accepted(wanted)
        except ClockNotApplied as error:
            self._heat.missed(wanted.cpu_khz, reached_khz=error.reached_khz, why=str(error))
            raise
        took_ms = (self._clock() - began_s) * 1e3
        logger.debug("applied %s in %.1f ms", self._applied, took_ms)
        if before:
            self._remember(before, wanted, took_ms)
        return took_ms

    def _accepted(self, wanted: Applied) -> Applied:
        """What the board was set to. Rights that are lost while the agent runs are no fault of a caller: it is a clock that cannot
        be had, as when a CPU comes back from offline and its files are root's again."""
        try:
            return self.board.apply(cpu_khz=wanted.cpu_khz, accelerator=wanted.accelerator)
        except NotAllowed as error:
            raise ClockNotApplied(str(error)) from error

    def _remember(self, before: Applied, after: Applied, took_ms: float) -> None:
        """What a change took belongs to the clock, or to the accelerator that it woke; of both at once, the clock's usual
        time to the clock."""
        wakes = after.accelerator not in (before.accelerator, EdgeAccelerator.OFF)
        clock_changed = before.cpu_khz != after.cpu_khz
        if wakes:
            self._accelerator_ms.add(max(0.0, took_ms - self._clock_ms.value * clock_changed))
        elif clock_changed:
            self._clock_ms.add(took_ms)
