"""Figures with their spread, and what they are held against."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Target:
    """A figure that must not exceed its limit."""

    name: str
    figure: float
    limit: float
    unit: str

    @property
    def met(self) -> bool:
        return self.figure <= self.limit

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "figure": round(self.figure, 4),
            "limit": self.limit,
            "unit": self.unit,
            "met": self.met,
        }


def spread(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Median and range of repeats."""
    found = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    return {name: round(value, digits) for name, value in found.items()} | {"repeats": len(values)}
