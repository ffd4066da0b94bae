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
    """A figure (one of `FIGURES`) that is off: observed over predicted, summed over so many `requests`; and how many
    have shown it `near_again` since, too few as yet for an end."""

    figure: str
    ratio: float
    requests: int
    near_again: int = 0

    def __str__(self) -> str:
        direction = "above" if self.ratio > 1 else "below"
        off = f"{_PARTS[self.figure]} has been {abs(self.ratio - 1):.0%} {direction} what the table predicts"
        if self.near_again:
            return f"{off}, for {self.requests} requests, and near it for the last {self.near_again}"
        return f"{off}, for {self.requests} requests: profile the device again"

    def to_json(self) -> dict[str, Any]:
        return {"figure": self.figure, "ratio": self.ratio, "requests": self.requests, "near_again": self.near_again}


@dataclass(frozen=True, eq=False)
class _Stretch:
    """So many requests, and what they showed and were predicted to show, summed. By figure, arrays [4]."""

    count: Floats
    observed: Floats
    predicted: Floats

    def plus(self, more: _Stretch, *, where: Flags) -> _Stretch:
        """With more of those figures."""
        return _Stretch(
            self.count + where * more.count,
            self.observed + where * more.observed,
            self.predicted + where * more.predicted,
        )

    def kept(self, where: Flags) -> _Stretch:
        """Of those figures alone; nothing of the others."""
        return _Stretch(self.count * where, self.observed * where, self.predicted * where)


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
    beyond: _Stretch
    within: Floats
    off: Flags

    @classmethod
    def of(cls, parts: Parts, *, bound: float = DEFAULT_BOUND, least_requests: int = DEFAULT_REQUESTS) -> Drift:
        """Nothing seen yet of this table."""
        if not 0 < bound < math.inf or least_requests < 1:
            raise InvalidInput(f"drift: bound must be above 0 and requests 1 or more, not {bound}, {least_requests}")
        zero = np.zeros(len(FIGURES))
        return cls(parts, bound, least_requests, zero, zero, _Stretch(zero, zero, zero), zero, zero > 0)

    def after(self, observed: Observed, link: Link) -> Drift:
        """With what these requests showed, all of them served as they had been decided, over this link."""
        predicted = self.parts.figures(link)[:, observed.rows]
        with np.errstate(invalid="ignore"):
            known = (observed.figures > 0) & (predicted > 0)
        seen = np.where(known, np.minimum(observed.figures, _MOST_RATIO * predicted), 0.0).sum(axis=1)
        foreseen = np.where(known, predicted, 0.0).sum(axis=1)
        count = known.sum(axis=1).astype(np.float64)
        fade = 0.5 ** (count * _HALF_LIVES / self.least_requests)
        moved = replace(self, observed=self.observed * fade + seen, predicted=self.predicted * fade + foreseen)
        return moved._counted(_Stretch(count, seen, foreseen))

    @cached_property
    def found(self) -> tuple[Drifted, ...]:
        """What has drifted, in the order of `FIGURES`."""
        ratios = _ratios(self.beyond.observed, self.beyond.predicted)
        return tuple(
            Drifted(FIGURES[place], float(ratios[place]), int(self.beyond.count[place]), int(self.within[place]))
            for place in np.flatnonzero(self.off)
        )

    def _counted(self, seen: _Stretch) -> Drift:
        """With so much more on the one side or the other. `beyond` goes on while a drift does, but for what was near."""
        distance = np.abs(np.log(_ratios(self.observed, self.predicted)))
        far, near = distance > math.log1p(self.bound), distance < math.log1p(self.bound / 2)
        beyond = self.beyond.plus(seen, where=far | (self.off & ~near))
        within = np.where(near, self.within + seen.count, 0.0)
        off = np.where(self.off, within < self.least_requests, beyond.count >= self.least_requests)
        return replace(self, beyond=beyond.kept(off | far), within=within, off=off)


def _ratios(observed: Floats, predicted: Floats) -> Floats:
    """Observed over predicted; 1 where nothing was seen."""
    return np.divide(observed, predicted, out=np.ones_like(observed), where=predicted > 0)
