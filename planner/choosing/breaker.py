"""A circuit breaker: after several failures in a row nobody is asked for a while."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Breaker:
    """Opens after `threshold` failures in a row; after `pause_ms` one attempt may pass again. A value: build it without
    failures, `failed` and `succeeded` give the next one. Times are in ms, by any clock that never goes back.

    Each attempt that fails doubles the pause up to `longest_ms`; a success closes the breaker.
    """

    threshold: int = 3
    pause_ms: float = 2_000.0
    longest_ms: float = 60_000.0
    failures: int = 0
    open_until_ms: float = -math.inf

    @property
    def failing(self) -> bool:
        """Whether the last attempt failed."""
        return self.failures > 0

    @property
    def on_trial(self) -> bool:
        """Whether so many attempts failed that, when its pause is over, a single one is to show whether more are worth it."""
        return self.failures >= self.threshold

    def allows(self, now_ms: float) -> bool:
        """Whether an attempt may be made now."""
        return not self.on_trial or now_ms >= self.open_until_ms

    def failed(self, now_ms: float) -> Breaker:
        surplus = self.failures + 1 - self.threshold
        pause_ms = min(self.pause_ms * 2.0 ** min(surplus, 32), self.longest_ms)
        open_until_ms = now_ms + pause_ms if surplus >= 0 else self.open_until_ms
        return replace(self, failures=self.failures + 1, open_until_ms=open_until_ms)

    def succeeded(self) -> Breaker:
        return replace(self, failures=0)
