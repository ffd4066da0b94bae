"""Figures with their spread, and what they are held against."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

Item = TypeVar("Item")


@dataclass(frozen=True)
class Target:
    """A figure that must not exceed its limit, or, with `at_least`, must reach it."""

    name: str
    figure: float
    limit: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        return bool(self.figure >= self.limit if self.at_least else self.figure <= self.limit)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "figure": round(self.figure, 4),
            "limit": self.limit,
            "at_least": self.at_least,
            "unit": self.unit,
            "met": self.met,
        }


def spread(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Median and range of repeats."""
    found = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    return {name: round(value, digits) for name, value in found.items()} | {"repeats": len(values)}


def middle(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Median and quartiles of many repeats, of which single ones may have been disturbed."""
    lower, median, upper = (round(float(value), digits) for value in np.quantile(values, (0.25, 0.5, 0.75)))
    return {"median": median, "lower": lower, "upper": upper, "repeats": len(values)}


def evenly(items: Sequence[Item], most: int | None) -> tuple[Item, ...]:
    """At most so many of them (None: all), evenly spread, with both ends."""
    count = min(len(items), most or len(items))
    places = np.unique(np.linspace(0, len(items) - 1, count).round().astype(int))
    return tuple(items[place] for place in places)
