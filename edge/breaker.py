"""A circuit breaker: after several failures in a row nobody is asked for a while."""

from __future__ import annotations

from hardware.clock import Clock


class Breaker:
    """Opens after `threshold` failures in a row; after `cooldown_s` one attempt may pass again.

    Each attempt that fails doubles the cooldown up to `longest_s`; a success closes the breaker. For one caller at a time.
    """

    def __init__(self, *, clock: Clock, threshold: int = 3, cooldown_s: float = 2.0, longest_s: float = 60.0) -> None:
        self._clock = clock
        self._threshold = threshold
        self._cooldown_s = cooldown_s
        self._longest_s = longest_s
        self._failures = 0
        self._open_until_s = 0.0

    def allows(self) -> bool:
        """Whether an attempt may be made now."""
        return self._failures < self._threshold or self._clock() >= self._open_until_s

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        self._failures += 1
        surplus = self._failures - self._threshold
        if surplus >= 0:
            pause_s = min(self._cooldown_s * 2.0 ** min(surplus, 32), self._longest_s)
            self._open_until_s = self._clock() + pause_s
