"""The line in front of the tails: who waits, for how long by measurement, and who need not begin to wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from protocol.errors import Busy, DeadlineHopeless

_WEIGHT = 0.2
"""Of the newest measurement."""


@dataclass(eq=False)
class Place:
    """One call in line: which tail it is, and since when it runs (None: it waits)."""

    tail: tuple[str, int]
    running_since_s: float | None = None


class Line:
    """The calls of one process, whose tails run one after the other: LiteRT holds the interpreter throughout. Thread-safe.

    `most_waiting` may wait beside the one that runs. How long a tail takes is the moving average of what it took; the first time,
    when it was perhaps opened, does not count, and a tail that is not known yet is taken to take no time.
    """

    def __init__(self, most_waiting: int, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._most_waiting = most_waiting
        self._clock = clock
        self._lock = threading.Lock()
        self._places: list[Place] = []
        self._took_s: dict[tuple[str, int], float | None] = {}

    @contextmanager
    def place(self, digest: str, cut: int, *, patience_s: float | None) -> Iterator[Place]:
        """A place in line for the block, at the end.

        Busy when as many wait as may; DeadlineHopeless when those before it, and it itself, would take longer than `patience_s`
        (None: it has time). Neither while nobody is before it.
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
        if not self._places:
            return
        ahead_s = self._ahead_s()
        if len(self._places) > self._most_waiting:
            raise Busy(
                f"{len(self._places) - 1} requests wait in this process already; try again later", retry_after_s=ahead_s
            )
        needed_s = ahead_s + self._expected_s(mine)
        if patience_s is not None and needed_s > patience_s:
            raise DeadlineHopeless(
                f"{patience_s * 1e3:.0f} ms are left, but those before it and this tail take {needed_s * 1e3:.0f} ms: "
                "the deadline cannot be met here",
                retry_after_s=ahead_s,
            )

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
        known_s = self._took_s[tail]
        self._took_s[tail] = took_s if known_s is None else known_s + _WEIGHT * (took_s - known_s)
