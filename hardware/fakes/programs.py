"""A program that tells the power, without a process."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hardware.clock import Clock

LASTS_S = 0.03


class FakePrograms:
    """Starts programs that end some time after, with what `prints` gives for the moment when they were started.

    `failing` makes those started from now on complain instead, `hanging` never end by themselves. `running` are those that
    nobody has seen ending yet.
    """

    def __init__(self, prints: Callable[[float], str], *, clock: Clock) -> None:
        self.failing = self.hanging = False
        self.started: list[tuple[str, ...]] = []
        self.running: list[FakeProgram] = []
        self._prints = prints
        self._clock = clock

    def start(self, command: Sequence[str]) -> FakeProgram:
        self.started.append(tuple(command))
        lasts_s = float("inf") if self.hanging else LASTS_S
        program = FakeProgram(
            self, self._clock, lasts_s=lasts_s, prints="" if self.failing else self._prints(self._clock())
        )
        self.running.append(program)
        return program


class FakeProgram:
    """One that was started."""

    def __init__(self, programs: FakePrograms, clock: Clock, *, lasts_s: float, prints: str) -> None:
        self._programs = programs
        self._clock = clock
        self._ends_s = clock() + lasts_s
        self._prints = prints
        self._status = 1 if programs.failing else 0

    def ended(self) -> int | None:
        if self._clock() < self._ends_s:
            return None
        self._reap()
        return self._status

    def output(self) -> str:
        return self._prints

    def complaint(self) -> str:
        return "device not found" if self._status else ""

    def end(self) -> None:
        self._ends_s = self._clock()
        self._reap()

    def _reap(self) -> None:
        if self in self._programs.running:
            self._programs.running.remove(self)
