"""When a search has to end: at Ctrl-C, or when its time is up. What it has found by then is kept."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType

from hardware.clock import Clock


class Stopping:
    """A context in which the first Ctrl-C only asks the search to stop; a second one interrupts as ever.

    Called, it says whether the search has to end: after `limit_s` seconds (None: never), or when interrupted. Only the main
    thread hears Ctrl-C.
    """

    def __init__(self, limit_s: float | None = None, *, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._limit_s = limit_s
        self._end_s = float("inf")
        self.interrupted = False

    def __call__(self) -> bool:
        return self.interrupted or self._clock() >= self._end_s

    def __enter__(self) -> Stopping:
        if self._limit_s is not None:
            self._end_s = self._clock() + self._limit_s
        self._heard = threading.current_thread() is threading.main_thread()
        if self._heard:
            self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        if self._heard:
            signal.signal(signal.SIGINT, self._before)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self.interrupted = True
        signal.signal(signal.SIGINT, self._before)
