"""Connections that break soon after they began: how long to wait before the next one, and when to say nothing more."""

from __future__ import annotations

from collections.abc import Callable

LASTS_S = 30.0
"""A connection that stood so long was a sound one."""

_LONGEST_DELAY_S = 20
"""Shorter than `LASTS_S`: of two clients that throw each other out, neither takes its time alone for a sound connection."""


class Steadiness:
    """Of one client's connections, in the order in which they began and broke. `clock` in seconds, monotonic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began_s = clock()
        self.brief = 0
        """How many connections in a row broke before they lasted."""

    def began(self) -> None:
        self._began_s = self._clock()

    def broke(self) -> None:
        self.brief = 0 if self._clock() - self._began_s >= LASTS_S else self.brief + 1

    @property
    def delay_s(self) -> int:
        """How long to wait before the next connection: twice as long after each that broke soon, from the second on."""
        return int(min(2 ** min(max(0, self.brief - 1), 8), _LONGEST_DELAY_S))

    @property
    def hopeless(self) -> bool:
        """Whether the next one is not expected to last either, so that it is no news."""
        return self.brief > 1
