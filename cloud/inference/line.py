"""The line in front of the tails: who waits, for how long by measurement, and who need not begin to wait."""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from protocol.errors import Busy, DeadlineHopeless

_WEIGHT = 0.2
"""Of the newest measurement."""
_REMEMBERED = 16
"""Runs of a tail of which the quickest tells whether a deadline can be met at all: a slow moment of the machine refuses nobody."""
_TRUSTED_S = 1.0
"""How long after it was measured a tail's own time may refuse it. Then the next call is let in and measured: what was slow once
must not be refused for good."""


class Pace:
    """How long one tail takes: the moving average of what it took, begun anew after a pause.

    The first time, when it was perhaps opened, does not count; one that is not known yet is taken to take no time.
    """

    def __init__(self) -> None:
        self._has_run = False
        self._measured_s = -math.inf
        self._runs_s: deque[float] = deque(maxlen=_REMEMBERED)
        self.expected_s = 0.0

    def learn(self, took_s: float, *, now_s: float) -> None:
        """It ran once more."""
        if not self._has_run:
            self._has_run = True
            return
        self.expected_s = self.expected_s + _WEIGHT * (took_s - self.expected_s) if self._is_fresh(now_s) else took_s
        self._measured_s = now_s
        self._runs_s.append(took_s)

    def least_s(self, now_s: float) -> float:
        """What it takes at least; nothing when that was not measured lately."""
        return min(self._runs_s) if self._is_fresh(now_s) else 0.0

    def _is_fresh(self, now_s: float) -> bool:
        return now_s - self._measured_s <= _TRUSTED_S


@dataclass(eq=False)
class Place:
    """One call in line: which tail it is of its bundle, what that takes, how long it has time (s, None: as long as it takes),
    and since when it runs (None: it waits)."""

    line: Line
    cut: int
    pace: Pace
    patience_s: float | None
    running_since_s: float | None = None

    def __enter__(self) -> Self:
        self.line.enter(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.line.leave(self)

    def left_s(self, now_s: float) -> float:
        """How long it will still run, by what is expected."""
        spent_s = 0.0 if self.running_since_s is None else now_s - self.running_since_s
        return max(0.0, self.pace.expected_s - spent_s)


class Line:
    """The calls of one process, whose tails run one after the other: LiteRT holds the interpreter throughout. Thread-safe.

    `most_waiting` may wait beside the one that runs.
    """

    def __init__(self, most_waiting: int, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._most_waiting = most_waiting
        self._clock = clock
        self._lock = threading.Lock()
        self._places: list[Place] = []
        self._paces: defaultdict[tuple[str, int], Pace] = defaultdict(Pace)

    def place(self, digest: str, cut: int, *, patience_s: float | None) -> Place:
        """A place in line for a block, at the end.

        Busy when as many wait as may; DeadlineHopeless when those before it, and it itself by the quickest of its last runs,
        would take longer than `patience_s` (None: it has time).
        """
        with self._lock:
            return Place(self, cut, self._paces[digest, cut], patience_s)

    def enter(self, place: Place) -> None:
        """As `place` says."""
        with self._lock:
            self._check(place)
            self._places.append(place)

    def leave(self, place: Place) -> None:
        """It needs to wait no more."""
        with self._lock:
            self._places.remove(place)

    def runs(self, place: Place) -> float:
        """The tail of this place runs from now on: since when, on the clock."""
        place.running_since_s = began_s = self._clock()
        return began_s

    def ran(self, place: Place, began_s: float) -> float:
        """It has run: how long, which is learned. One that failed says nothing of how long it takes."""
        now_s = self._clock()
        with self._lock:
            place.pace.learn(now_s - began_s, now_s=now_s)
        return now_s - began_s

    def wait_s(self) -> float:
        """How long a call that comes now would wait."""
        with self._lock:
            return self._ahead_s()

    def _check(self, mine: Place) -> None:
        ahead_s = self._ahead_s()
        if len(self._places) > self._most_waiting:
            raise Busy(
                f"{len(self._places) - 1} requests wait in this process already; try again later", retry_after_s=ahead_s
            )
        patience_s = mine.patience_s
        if patience_s is None:
            return
        needed_s = ahead_s + mine.pace.least_s(self._clock())
        if needed_s > patience_s:
            before = "those before it and " if self._places else ""
            raise DeadlineHopeless(
                f"{patience_s * 1e3:.0f} ms are left, but {before}this tail take{'' if before else 's'} "
                f"{needed_s * 1e3:.0f} ms: the deadline cannot be met here",
                retry_after_s=ahead_s,
            )

    def _ahead_s(self) -> float:
        now_s = self._clock()
        return sum(place.left_s(now_s) for place in self._places)
