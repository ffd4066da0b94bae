"""What a whole device draws, given at some clocks, with straight lines between them."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from protocol.documents import field
from protocol.errors import InvalidInput


@dataclass(frozen=True)
class PowerPoint:
    """At one clock: while it computes, and while it waits for the cloud or for work."""

    cpu_khz: int
    busy_w: float
    waiting_w: float


@dataclass(frozen=True)
class PowerPoints:
    """Ascending in the clock, one at least; beyond them the nearest figure holds."""

    points: tuple[PowerPoint, ...]

    def __post_init__(self) -> None:
        check_ascending([point.cpu_khz for point in self.points], what="the clocks under power")
        for point in self.points:
            if min(point.busy_w, point.waiting_w) < 0:
                raise InvalidInput(f"power at {point.cpu_khz} kHz must be 0 or more, not {point}")

    def busy_w(self, cpu_khz: int) -> float:
        return self._interpolated(cpu_khz, lambda point: point.busy_w)

    def waiting_w(self, cpu_khz: int) -> float:
        return self._interpolated(cpu_khz, lambda point: point.waiting_w)

    def _interpolated(self, cpu_khz: int, value: Callable[[PowerPoint], float]) -> float:
        after = bisect.bisect_left([point.cpu_khz for point in self.points], cpu_khz)
        if after == 0:
            return value(self.points[0])
        if after == len(self.points):
            return value(self.points[-1])
        low, high = self.points[after - 1], self.points[after]
        share = (cpu_khz - low.cpu_khz) / (high.cpu_khz - low.cpu_khz)
        return value(low) + share * (value(high) - value(low))

    @classmethod
    def from_content(cls, content: Sequence[object], *, what: str) -> PowerPoints:
        """From the tables of a TOML file; InvalidInput that names `what` and the field."""
        return cls(tuple(_point(entry, what=what) for entry in content))


def check_ascending(clocks_khz: Sequence[int], *, what: str) -> None:
    """InvalidInput for clocks that are none, or out of order."""
    if not clocks_khz or list(clocks_khz) != sorted(set(clocks_khz)) or clocks_khz[0] <= 0:
        raise InvalidInput(f"{what} must be clocks above 0 in ascending order, not {list(clocks_khz)}")


def _point(content: object, *, what: str) -> PowerPoint:
    if not isinstance(content, Mapping):
        raise InvalidInput(f"{what} must hold tables with cpu_khz, busy_w and waiting_w, not {content!r:.60}")
    return PowerPoint(
        cpu_khz=field(content, "cpu_khz", int, what=what),
        busy_w=field(content, "busy_w", float, what=what),
        waiting_w=field(content, "waiting_w", float, what=what),
    )
