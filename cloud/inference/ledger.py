"""What the node has spent, shared among the requests that were under way in all worker processes.

Each beginning and each end of a request is a mark. From mark to mark the counters' growth is divided by the number of requests
under way, and the shares are summed up; a request took what the sum has grown by between its own two marks. So all requests
together never get more than the counters showed.
"""

from __future__ import annotations

import fcntl
import math
import mmap
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hardware.power.counts import Count, EnergyCounts
from hardware.power.meter import MeterLost

_MOST_COUNTERS = 16
_MOST_PROCESSES = 256
_AT_S, _SHARE_J, _SHARE_S = range(3)
_GAPS, _COUNTERS, _UNDER_WAY = range(3)
_FIRST_COUNTER = 3
_FIRST_PROCESS = _FIRST_COUNTER + _MOST_COUNTERS
_NUMBERS = _FIRST_PROCESS + 2 * _MOST_PROCESSES
_PLACES = range(_FIRST_PROCESS, _NUMBERS, 2)
_REAL_BYTES = 8 * 3
_BYTES = _REAL_BYTES + 8 * _NUMBERS
_MOST_WATTS = 20_000.0
_LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class Mark:
    """A moment on the monotonic clock, and what one that was always under way would have got until then: joules, and seconds
    divided as they were. `gaps`: how often what was drawn was not known and the node's profile stood in."""

    at_s: float
    share_j: float
    share_s: float
    gaps: int


class Ledger:
    """Thread-safe, and shared with other processes where it lies in a file; one that died is taken off within a second or so.

    `guess_w` is what counts while the counters say nothing, or what cannot be.
    """

    def __init__(
        self, counts: EnergyCounts, *, guess_w: float, clock: Callable[[], float], path: Path | None = None
    ) -> None:
        self._counts = counts
        self._guess_w = guess_w
        self._clock = clock
        self._lock = threading.Lock()
        self._descriptor = -1 if path is None else _file(path)
        memory = mmap.mmap(self._descriptor, _BYTES)
        self._reals = memoryview(memory)[:_REAL_BYTES].cast("d")
        self._numbers = memoryview(memory)[_REAL_BYTES:].cast("q")
        self._pid, self._place = 0, 0
        self._looked_s = -math.inf

    def begin(self) -> Mark:
        """One more request is under way in this process."""
        return self._marked(+1)

    def end(self) -> Mark:
        """One that began here has ended."""
        return self._marked(-1)

    def _marked(self, change: int) -> Mark:
        with self._lock:
            if self._descriptor < 0:
                return self._marked_alone(change)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                return self._marked_alone(change)
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _marked_alone(self, change: int) -> Mark:
        self._attach()
        self._look_for_ended()
        self._advance(self._numbers[_UNDER_WAY])
        self._numbers[_UNDER_WAY] += change
        self._numbers[self._place + 1] += change
        at_s, share_j, share_s = self._reals
        return Mark(at_s, share_j, share_s, self._numbers[_GAPS])

    def _attach(self) -> None:
        """A place for this process: its id, and how many requests are under way in it. Those of ended ones are free."""
        if self._pid == os.getpid():
            return
        self._take_off_ended()
        self._pid = os.getpid()
        self._place = next((place for place in _PLACES if not self._numbers[place]), _PLACES[-1])
        self._numbers[self._place] = self._pid

    def _look_for_ended(self) -> None:
        """Now and then, while others have requests under way: who was killed has ended none of his."""
        now_s = self._clock()
        if self._numbers[_UNDER_WAY] > self._numbers[self._place + 1] and now_s - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = now_s
            self._take_off_ended()

    def _take_off_ended(self) -> None:
        for place in _PLACES:
            pid = self._numbers[place]
            if pid and not Path(f"/proc/{pid}").exists():
                self._numbers[_UNDER_WAY] -= self._numbers[place + 1]
                self._numbers[place] = self._numbers[place + 1] = 0

    def _advance(self, under_way: int) -> None:
        now_s = max(self._clock(), self._reals[_AT_S])
        seconds = now_s - self._reals[_AT_S]
        joules = self._grown_j(seconds)
        if joules is None:
            joules = self._guess_w * seconds
            self._numbers[_GAPS] += 1
        if under_way > 0:
            self._reals[_SHARE_J] += joules / under_way
            self._reals[_SHARE_S] += seconds / under_way
        self._reals[_AT_S] = now_s

    def _grown_j(self, seconds: float) -> float | None:
        """What the counters have grown by since the mark before; None where nobody can know."""
        try:
            counts = self._counts.read()
        except MeterLost:
            self._numbers[_COUNTERS] = 0
            return None
        known = self._numbers[_COUNTERS] == len(counts)
        before = list(self._numbers[_FIRST_COUNTER : _FIRST_COUNTER + len(counts)])
        self._keep(counts)
        if not known:
            return None
        grown = [count.since(earlier) for count, earlier in zip(counts, before, strict=True)]
        joules = sum(grown) / 1e6
        believable = min(grown) >= 0 and joules <= _MOST_WATTS * (seconds + self._counts.period_s)
        return joules if believable else None

    def _keep(self, counts: Sequence[Count]) -> None:
        self._numbers[_COUNTERS] = len(counts)
        for place, count in enumerate(counts):
            self._numbers[_FIRST_COUNTER + place] = count.now_uj


def _file(path: Path) -> int:
    """Open, and as large as a ledger."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.ftruncate(descriptor, _BYTES)
    return descriptor
