"""A log that is not flooded: what happens a thousand times a second is told once a minute, with its count."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

_INTERVAL_S = 60.0


class Sparing:
    """Writes lines of one kind at most once per interval, and says then how many there were since. Thread-safe.

    Kinds must be few: they are kept for ever.
    """

    def __init__(
        self,
        logger: logging.Logger,
        *,
        interval_s: float = _INTERVAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._interval_s = interval_s
        self._clock = clock
        self._lock = threading.Lock()
        self._told_s: dict[str, float] = {}
        self._untold: dict[str, int] = {}

    def log(self, level: int, kind: str, text: str) -> None:
        """Writes `kind: text`, or counts it where one of its kind was written a moment ago."""
        now_s = self._clock()
        with self._lock:
            if now_s - self._told_s.get(kind, -self._interval_s) < self._interval_s:
                self._untold[kind] = self._untold.get(kind, 0) + 1
                return
            self._told_s[kind] = now_s
            untold = self._untold.pop(kind, 0)
        if untold:
            self._logger.log(level, "%s: %s (and %d more since the last such line)", kind, text, untold)
        else:
            self._logger.log(level, "%s: %s", kind, text)
