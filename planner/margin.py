"""The margin: how much longer requests take than predicted, learned from those that were served."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

from protocol.errors import InvalidInput


@dataclass(frozen=True)
class Margin:
    """Factors, 1 or more, by which a predicted latency is stretched before it is held against a deadline.

    One factor for waiting for the cloud, one for the work on the device: links jitter, devices throttle. A row that is cut
    is stretched by both, each over its own part: a link that doubles its few milliseconds says nothing about a long head.
    Each factor is the `quantile` of observed / predicted time in its group. The window holds the last `window` observations of both
    groups together, so that a group which looked so bad that it was not chosen any more is forgotten, and tried again,
    once the other group has filled the window. As long as a group has fewer than `prior` observations, `start` stands
    in for the missing ones. `ceiling` bounds the factor: beyond it, a link or a clock is wrong, not late.
    """

    ratios: tuple[tuple[bool, float], ...] = ()
    quantile: float = 0.95
    window: int = 200
    start: float = 1.1
    prior: int = 20
    ceiling: float = 4.0

    def __post_init__(self) -> None:
        if not 0 < self.quantile <= 1:
            raise InvalidInput(f"margin: quantile must lie above 0 and up to 1, not {self.quantile}")
        if self.window < 1 or self.prior < 0:
            raise InvalidInput(f"margin: window must be 1 or more and prior 0 or more, not {self.window}, {self.prior}")
        if not 1 <= self.start <= self.ceiling < math.inf:
            raise InvalidInput(f"margin: start must lie between 1 and the ceiling, not {self.start} and {self.ceiling}")

    def observe(self, *, uses_cloud: bool, predicted_ms: float, observed_ms: float) -> Margin:
        """The margin after one more served request, or a part of one. `predicted_ms` is the prediction without the margin.

        Leave out requests that were answered by another row than the predicted one (a fallback)."""
        if not 0 < predicted_ms < math.inf or not 0 <= observed_ms < math.inf:
            raise InvalidInput(f"margin: cannot learn from {observed_ms} ms observed for {predicted_ms} ms predicted")
        seen = (*self.ratios, (uses_cloud, observed_ms / predicted_ms))
        return replace(self, ratios=seen[-self.window :])

    def factor(self, *, uses_cloud: bool) -> float:
        """The factor of a group."""
        return self.cloud if uses_cloud else self.edge

    @cached_property
    def cloud(self) -> float:
        """The factor of waiting for the cloud."""
        return self._factor(uses_cloud=True)

    @cached_property
    def edge(self) -> float:
        """The factor of the work on the device."""
        return self._factor(uses_cloud=False)

    def _factor(self, *, uses_cloud: bool) -> float:
        seen = [ratio for group, ratio in self.ratios if group == uses_cloud]
        seen += [self.start] * (self.prior - len(seen))
        if not seen:
            return self.start
        seen.sort()
        return min(max(seen[math.ceil(self.quantile * len(seen)) - 1], 1.0), self.ceiling)
