"""The controller: the only one that changes the board."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from edge.device.running_mean import RunningMean
from hardware.board import Applied, Board
from hardware.clock import Clock
from planner.choosing import switching
from planner.choosing.switching import Switching
from protocol.configuration import Configuration, EdgeAccelerator
from protocol.work import Work

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Controller:
    """Applies configurations to the board, measures how long that takes, and runs work on it. For one request at a time;
    `switching` may be asked from any thread."""

    def __init__(self, board: Board, *, clock: Clock = time.monotonic) -> None:
        self.board = board
        self._clock = clock
        self._top_khz = board.ladder_khz()[-1]
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
        """Sets clock and accelerator unless they are set so already; the ms that it took. Errors as `Board.apply`."""
        return self._set(Applied(configuration.cpu_khz, configuration.edge_accelerator))

    def apply_top_clock(self) -> None:
        """The highest clock, without accelerator: for work that has to be done as soon as possible on the CPU."""
        self._set(Applied(self._top_khz, EdgeAccelerator.OFF))

    def execute(self, work: Work, run: Callable[[], T], *, threads: int) -> T:
        """Runs a piece of work with what was applied."""
        return self.board.execute(work, run, threads=threads)

    def restore(self) -> None:
        """Puts the board back as it was found."""
        self._applied = None
        self.board.restore()

    def _set(self, wanted: Applied) -> float:
        before = self._applied
        if before == wanted:
            return 0.0
        self._applied = None
        began_s = self._clock()
        self._applied = self.board.apply(cpu_khz=wanted.cpu_khz, accelerator=wanted.accelerator)
        took_ms = (self._clock() - began_s) * 1e3
        logger.debug("applied %s in %.1f ms", self._applied, took_ms)
        if before:
            self._remember(before, wanted, took_ms)
        return took_ms

    def _remember(self, before: Applied, after: Applied, took_ms: float) -> None:
        """What a change took belongs to the clock, or to the accelerator that it woke; of both at once, the clock's usual
        time to the clock."""
        wakes = after.accelerator not in (before.accelerator, EdgeAccelerator.OFF)
        clock_changed = before.cpu_khz != after.cpu_khz
        if wakes:
            self._accelerator_ms.add(max(0.0, took_ms - self._clock_ms.value * clock_changed))
        elif clock_changed:
            self._clock_ms.add(took_ms)
