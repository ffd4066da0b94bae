"""The line in front of the tails: who waits, for how long by measurement, and who need not begin to wait."""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from protocol.errors import Busy, DeadlineHopeless

_WEIGHT = 0.2
"""Of the newest measurement."""
_REMEMBERED = 16
"""Runs of a tail of which the quickest tells whether a deadline can be met at all: a slow moment of the machine refuses nobody."""
_TRUSTED_S = 1.0
"""How long after it was measured a tail's own time may refuse it. Then the next call is let in and measured: what was slow once
must not be refused for good."""


@dataclass(eq=False)
class Place:
    """One call in line: which tail it is, and since when it runs (None: it waits)."""

    tail: tuple[str, int]
    running_since_s: float | None = None


class Line:
    """The calls of one process, whose tails run one after the other: LiteRT holds the interpreter throughout. Thread-safe.

    `most_waiting` may wait beside the one that runs. How long a tail takes is the moving average of what it took, begun
    anew after a pause; the first time, when it was perhaps opened, does not count, and a tail that is not known yet is taken to
    take no time.
    """

    def __init__(self, most_waiting: int, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._most_waiting = most_waiting
        self._clock = clock
        self._lock = threading.Lock()
        self._places: list[Place] = []
        self._took_s: dict[tuple[str, int], float | None] = {}
        self._measured_s: dict[tuple[str, int], float] = {}
        self._runs_s: defaultdict[tuple[str, int], deque[float]] = defaultdict(lambda: deque(maxlen=_REMEMBERED))

    @contextmanager
    def place(self, digest: str, cut: int, *, patience_s: float | None) -> Iterator[Place]:
        """A place in line for the block, at the end.

        Busy when as many wait as may; DeadlineHopeless when those before it, and it itself by the quickest of its last runs,
        would take longer than `patience_s` (None: it has time).
        """
        mine = Place((digest, cut))
        with self._lock:
            self._check(mine, patience_s)
            self._places.append(mine)
        try:
            yield mine
        finally:
            with self._lock:
                self._places.remove(mine)

    @contextmanager
    def running(self, place: Place) -> Iterator[None]:
        """Measures the block as the tail of this place. One that failed says nothing of how long it takes."""
        place.running_since_s = began_s = self._clock()
        yield
        with self._lock:
            self._learn(place.tail, self._clock() - began_s)

    def wait_s(self) -> float:
        """How long a call that comes now would wait."""
        with self._lock:
            return self._ahead_s()

    def _check(self, mine: Place, patience_s: float | None) -> None:
        ahead_s = self._ahead_s()
        if len(self._places) > self._most_waiting:
            raise Busy(
                f"{len(self._places) - 1} requests wait in this process already; try again later", retry_after_s=ahead_s
            )
        needed_s = ahead_s + self._lately_s(mine)
        if patience_s is not None and needed_s > patience_s:
            before = "those before it and " if self._places else ""
            raise DeadlineHopeless(
                f"{patience_s * 1e3:.0f} ms are left, but {before}this tail take{'' if before else 's'} "
                f"{needed_s * 1e3:.0f} ms: the deadline cannot be met here",
                retry_after_s=ahead_s,
            )

    def _lately_s(self, mine: Place) -> float:
        """What its tail takes at least; nothing when that was not measured lately."""
        return min(self._runs_s[mine.tail]) if self._is_trusted(mine.tail) else 0.0

    def _is_trusted(self, tail: tuple[str, int]) -> bool:
        return self._clock() - self._measured_s.get(tail, -math.inf) <= _TRUSTED_S

    def _ahead_s(self) -> float:
        return sum(self._left_s(place) for place in self._places)

    def _left_s(self, place: Place) -> float:
        spent_s = 0.0 if place.running_since_s is None else self._clock() - place.running_since_s
        return max(0.0, self._expected_s(place) - spent_s)

    def _expected_s(self, place: Place) -> float:
        return self._took_s.get(place.tail) or 0.0

    def _learn(self, tail: tuple[str, int], took_s: float) -> None:
        if tail not in self._took_s:
            self._took_s[tail] = None
            return
        known_s = self._took_s[tail] if self._is_trusted(tail) else None
        self._took_s[tail] = took_s if known_s is None else known_s + _WEIGHT * (took_s - known_s)
        self._measured_s[tail] = self._clock()
        self._runs_s[tail].append(took_s)
