"""Drift: what a table predicts is far off what requests show, and stays so. A reason to profile the device again.

Experience corrects each row, so requests are still served well; but rows that were never tried are then corrected by
what others showed, and a device that takes half as long again as when it was profiled has something that somebody
should look at. So this is held against the table's own figures, not against the corrected ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from planner.learning.experience import FIGURES, Observed
from planner.pricing import Flags, Floats, Parts
from protocol.errors import InvalidInput
from protocol.link import Link

DEFAULT_BOUND, DEFAULT_REQUESTS = 0.25, 200

_MOST_RATIO = 8.0
"""Beyond it something else happened than a slow request; it counts as this much."""
_HALF_LIVES = 4
"""How often what was seen is halved within the number of requests that make a drift."""

_PARTS = {
    "head_ms": "the device's time",
    "waiting_ms": "the time that the cloud takes, beyond what the link explains,",
    "edge_mj": "the device's energy",
    "cloud_mj": "the cloud's energy",
}


@dataclass(frozen=True)
class Drifted:
    """A figure (one of `FIGURES`) that is off: observed over predicted of late, and for how many requests in a row."""

    figure: str
    ratio: float
    requests: int

    def __str__(self) -> str:
        direction = "above" if self.ratio > 1 else "below"
        return (
            f"{_PARTS[self.figure]} has been {abs(self.ratio - 1):.0%} {direction} what the table predicts, "
            f"for {self.requests} requests: profile the device again"
        )

    def to_json(self) -> dict[str, Any]:
        return {"figure": self.figure, "ratio": self.ratio, "requests": self.requests}


@dataclass(frozen=True, eq=False)
class Drift:
    """What requests have shown against one table, by figure (arrays [4], as `FIGURES`); `after` gives the next one.

    A figure has drifted once its sum over the last requests has lain more than `bound` (relative) off the predicted sum for
    `least_requests` requests that show this figure, and until it has lain less than half of that off for as many: so it
    does not flap. Sums, not means of ratios: a short head that is off by a millisecond does not count as a slow device.
    """

    parts: Parts
    bound: float
    least_requests: int
    observed: Floats
    predicted: Floats
    beyond: Floats
    within: Floats
    off: Flags

    @classmethod
    def of(cls, parts: Parts, *, bound: float = DEFAULT_BOUND, least_requests: int = DEFAULT_REQUESTS) -> Drift:
        """Nothing seen yet of this table."""
        if not 0 < bound < math.inf or least_requests < 1:
            raise InvalidInput(f"drift: bound must be above 0 and requests 1 or more, not {bound}, {least_requests}")
        zero = np.zeros(len(FIGURES))
        return cls(parts, bound, least_requests, zero, zero, zero, zero, zero > 0)

    def after(self, observed: Observed, link: Link) -> Drift:
        """With what these requests showed, all of them served as they had been decided, over this link."""
        predicted = self.parts.figures(link)[:, observed.rows]
        with np.errstate(invalid="ignore"):
            known = (observed.figures > 0) & (predicted > 0)
        seen = np.where(known, np.minimum(observed.figures, _MOST_RATIO * predicted), 0.0)
        count = known.sum(axis=1)
        fade = 0.5 ** (count * _HALF_LIVES / self.least_requests)
        moved = replace(
            self,
            observed=self.observed * fade + seen.sum(axis=1),
            predicted=self.predicted * fade + np.where(known, predicted, 0.0).sum(axis=1),
        )
        return moved._counted(count.astype(np.float64))

    @cached_property
    def found(self) -> tuple[Drifted, ...]:
        """What has drifted, in the order of `FIGURES`."""
        return tuple(
            Drifted(FIGURES[place], float(self._ratios[place]), int(self.beyond[place]))
            for place in np.flatnonzero(self.off)
        )

    def _counted(self, count: Floats) -> Drift:
        """With so many more requests on the one side or the other. `beyond` goes on while a drift does."""
        distance = np.abs(np.log(self._ratios))
        far, near = distance > math.log1p(self.bound), distance < math.log1p(self.bound / 2)
        beyond = np.where(far | self.off, self.beyond + count, 0.0)
        within = np.where(near, self.within + count, 0.0)
        off = np.where(self.off, within < self.least_requests, beyond >= self.least_requests)
        return replace(self, beyond=np.where(off | far, beyond, 0.0), within=within, off=off)

    @cached_property
    def _ratios(self) -> Floats:
        """Observed over predicted; 1 where nothing was seen."""
        return np.divide(self.observed, self.predicted, out=np.ones_like(self.observed), where=self.predicted > 0)
