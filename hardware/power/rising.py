"""A count that never goes back, from a meter's own, which may start again."""

from __future__ import annotations


class RisingCount:
    """What a meter has counted since this was made. When the meter's count falls, as after a restart, it is taken up from
    there; what was drawn in between is unknown and not counted."""

    def __init__(self) -> None:
        self._total = 0.0
        self._last: float | None = None

    def at(self, count: float) -> float:
        """The total, the meter's count being this now."""
        if self._last is not None:
            self._total += max(0.0, count - self._last)
        self._last = count
        return self._total

    def forget(self) -> None:
        """The meter was away: count on from its next value."""
        self._last = None
