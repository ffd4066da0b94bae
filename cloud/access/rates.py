"""How many requests a minute one token may make."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from protocol.errors import Overloaded

_MINUTE_S = 60.0
_MOST = 4096


class Rates:
    """A bucket of requests per caller, which refills evenly and holds a minute's. Thread-safe.

    Counted by each worker process for itself: N of them let through up to N times as many. 0 a minute: no limit.
    """

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, caller: str) -> None:
        """Counts a request; Overloaded when the caller has none left."""
        if not self._per_minute:
            return
        per_s, now_s = self._per_minute / _MINUTE_S, self._clock()
        with self._lock:
            left, at_s = self._buckets.get(caller, (float(self._per_minute), now_s))
            left = min(self._per_minute, left + (now_s - at_s) * per_s)
            if left >= 1:
                self._keep(caller, left - 1, now_s)
                return
        raise Overloaded(
            f"more than {self._per_minute} requests a minute of {caller}; slow down", retry_after_s=(1 - left) / per_s
        )

    def _keep(self, caller: str, left: float, now_s: float) -> None:
        if len(self._buckets) >= _MOST and caller not in self._buckets:
            self._buckets.clear()
        self._buckets[caller] = (left, now_s)
