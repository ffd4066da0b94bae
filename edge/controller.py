"""The controller: the only one that changes the board."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from hardware.board import Applied, Board
from protocol.configuration import Configuration, EdgeAccelerator
from protocol.work import Work

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Controller:
    """Applies configurations to the board, and runs work on it. For one request at a time."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self._top_khz = board.ladder_khz()[-1]
        self._applied: Applied | None = None

    def apply(self, configuration: Configuration) -> None:
        """Sets clock and accelerator unless they are set so already. Errors as `Board.apply`."""
        self._set(configuration.cpu_khz, configuration.edge_accelerator)

    def apply_top_clock(self) -> None:
        """The highest clock, without accelerator: for work that has to be done as soon as possible on the CPU."""
        self._set(self._top_khz, EdgeAccelerator.OFF)

    def execute(self, work: Work, run: Callable[[], T], *, threads: int) -> T:
        """Runs a piece of work with what was applied."""
        return self.board.execute(work, run, threads=threads)

    def restore(self) -> None:
        """Puts the board back as it was found."""
        self._applied = None
        self.board.restore()

    def _set(self, cpu_khz: int, accelerator: EdgeAccelerator) -> None:
        if self._applied != Applied(cpu_khz, accelerator):
            self._applied = None
            self._applied = self.board.apply(cpu_khz=cpu_khz, accelerator=accelerator)
            logger.debug("applied %s", self._applied)
