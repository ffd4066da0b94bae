"""Clocks that are handed in, and one that jumps instead of waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable

Clock = Callable[[], float]
"""Seconds that never go back, such as `time.monotonic`."""

Sleep = Callable[[float], None]
"""Waits for a number of seconds, such as `time.sleep`."""


class VirtualClock:
    """A monotonic clock in seconds on which sleeping takes no time: it moves the clock. Thread-safe.

    Hand the instance in as the clock and its `sleep` as the sleep: `open_board(name, clock=clock, sleep=clock.sleep)`.
    """

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s
        self._lock = threading.Lock()

    def __call__(self) -> float:
        with self._lock:
            return self._now_s

    def sleep(self, seconds: float) -> None:
        """Moves the clock on; ValueError for a negative time, as `time.sleep`."""
        if seconds < 0:
            raise ValueError(f"sleep length must be 0 or more, not {seconds}")
        with self._lock:
            self._now_s += seconds
