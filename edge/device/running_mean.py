"""A mean of the latest values."""

from __future__ import annotations


class RunningMean:
    """A mean in which about the latest `remembered` values count; 0 before the first. For one thread at a time."""

    def __init__(self, *, remembered: int = 10) -> None:
        self.value = 0.0
        self._remembered = remembered
        self._count = 0

    def add(self, value: float) -> None:
        self._count = min(self._count + 1, self._remembered)
        self.value += (value - self.value) / self._count
