"""Parting with a request: from its end until its answer can leave, while its record is kept and the answer packed."""

from __future__ import annotations

import threading

from edge.device.running_mean import RunningMean


class Parting:
    """What that took lately, in ms; 0 before the first. Thread-safe.

    Record and answer tell a latency that must count it, yet are written before it is over. With a flush to the card for each
    record it is much of the time that a caller waits.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._took_ms = RunningMean()

    @property
    def expected_ms(self) -> float:
        return self._took_ms.value

    def took(self, ms: float) -> None:
        with self._lock:
            self._took_ms.add(ms)
