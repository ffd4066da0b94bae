"""A meter that is asked by running a program."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hardware.clock import Clock, Sleep
from hardware.power.meter import MeterLost, Reading
from hardware.power.program import ChildProgram, Program, Start
from hardware.power.rising import RisingCount
from protocol.configuration import Provenance

_LOOK_EVERY_S = 0.005


@dataclass(frozen=True)
class Figures:
    """What a program printed: watts, and joules where it counts them."""

    watts: float
    joules: float | None = None


Parse = Callable[[str], Figures]
"""Reads a program's output; ValueError, in words, for one that tells no power."""


class ProgramMeter:
    """Runs a program once a period and shows what it said last, so that a read does not wait for it.

    A read starts the next run when it is due and takes up one that ended; nothing runs between reads, and never two runs
    at once. Only a read without a value that is fresh waits for the run to end, at most `timeout_s`: the first one, and
    one after a long pause. A run that fails, takes longer, or prints no power makes the meter lost until one succeeds.
    """

    provenance = Provenance.MEASURED

    def __init__(
        self,
        command: Sequence[str],
        parse: Parse,
        *,
        period_s: float,
        timeout_s: float,
        start: Start = ChildProgram,
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
    ) -> None:
        self.period_s = period_s
        self._command = tuple(command)
        self._parse = parse
        self._timeout_s = timeout_s
        self._start = start
        self._clock = clock
        self._sleep = sleep
        self._running: Program | None = None
        self._started_s = float("-inf")
        self._latest: Reading | MeterLost | None = None
        self._count = RisingCount()

    def read(self) -> Reading:
        self._advance()
        while self._running and not self._fresh():
            self._sleep(_LOOK_EVERY_S)
            self._advance()
        if not isinstance(self._latest, Reading):
            raise self._latest or MeterLost(f"{self._name} has not answered yet")
        return self._latest

    def close(self) -> None:
        """Ends a run that is on its way."""
        if self._running:
            self._running.end()
            self._running = None

    @property
    def _name(self) -> str:
        return f"the meter's command '{self._command[0]:.60}'"

    def _fresh(self) -> bool:
        if isinstance(self._latest, Reading):
            return self._clock() - self._latest.at_s <= self.period_s + self._timeout_s
        return self._latest is not None

    def _advance(self) -> None:
        if self._running:
            self._look_after(self._running)
        if not self._running and self._clock() - self._started_s >= self.period_s:
            self._run()

    def _run(self) -> None:
        self._started_s = self._clock()
        try:
            self._running = self._start(self._command)
        except OSError as error:
            self._lose(f"cannot be started: {error.strerror}; is it installed, and executable by this user?")

    def _look_after(self, running: Program) -> None:
        status = running.ended()
        if status is None and self._clock() - self._started_s < self._timeout_s:
            return
        self._running = None
        if status is None:
            running.end()
            self._lose(f"did not end within {self._timeout_s:g} s and was ended")
        elif status:
            self._lose(f"ended with status {status}: {running.complaint() or 'it said nothing'}")
        else:
            self._take(running.output())

    def _take(self, output: str) -> None:
        """The figures are from when the run began, or later."""
        try:
            figures = self._parse(output)
        except ValueError as error:
            self._lose(f"printed {output.strip()!r:.60}: {error}")
            return
        joules = None if figures.joules is None else self._count.at(figures.joules)
        self._latest = Reading(watts=figures.watts, joules=joules, at_s=self._started_s)

    def _lose(self, why: str) -> None:
        self._latest = MeterLost(f"{self._name} {why}")
        self._count.forget()
