"""Heat: which clocks of the board are believed to be reached, by what happened when they were asked for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from hardware.clock import Clock
from planner.choosing.breaker import Breaker

logger = logging.getLogger(__name__)

_PATIENCE = Breaker(threshold=1, pause_ms=30_000.0, longest_ms=3_600_000.0)
"""A clock that was missed is tried again after half a minute, then after twice as long each time, an hour at most."""


class Heat:
    """What to believe of a ladder, the clocks that may be used, ascending. Thread-safe.

    A clock that was missed is not believed for a while, nor are those above it; the lowest one always is. When the while is
    over, all are believed again until one is missed; the first one held that had not been believed heals it.
    """

    def __init__(self, ladder_khz: Sequence[int], *, clock: Clock = time.monotonic) -> None:
        self.ladder_khz = tuple(ladder_khz)
        self._clock = clock
        self._lock = threading.Lock()
        self._patience = _PATIENCE
        self._cap_khz = self.ladder_khz[-1]
        self._slowed: tuple[str, ...] = ()
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        """Calls back when other clocks are believed, or something else slows the device down; from any thread. It must
        return at once."""
        self._listeners.append(listener)

    @property
    def believed_khz(self) -> frozenset[int] | None:
        """The clocks to choose from now; None for all."""
        cap_khz = self._cap_now_khz()
        if cap_khz == self.ladder_khz[-1]:
            return None
        return frozenset(khz for khz in self.ladder_khz if khz <= cap_khz)

    def nearest_khz(self, wanted_khz: int) -> int:
        """The clock itself where it is believed, else the highest one that is."""
        return min(wanted_khz, self._cap_now_khz())

    @property
    def top_khz(self) -> int:
        """The highest clock that is believed."""
        return self._cap_now_khz()

    def slowed(self, words: tuple[str, ...]) -> None:
        """What slows the device down now, in words."""
        if words != self._slowed:
            self._slowed = words
            self._tell()

    def missed(self, wanted_khz: int, *, reached_khz: int | None = None, why: str = "") -> None:
        """A clock was asked for, and this one reached (None: nobody knows): believe what is below, for a while."""
        limit_khz = wanted_khz - 1 if reached_khz is None else min(reached_khz, wanted_khz - 1)
        cap_khz = max((khz for khz in self.ladder_khz if khz <= limit_khz), default=self.ladder_khz[0])
        with self._lock:
            now_ms, before_khz = self._clock() * 1e3, self._cap_khz
            tried_again = self._patience.allows(now_ms)
            self._cap_khz = cap_khz if tried_again else min(cap_khz, before_khz)
            self._patience = self._patience.failed(now_ms)
            changed = self._cap_khz != before_khz
        if changed:
            logger.warning("clocks above %s kHz are left alone for now: %s", cap_khz, why or "not reached")
            self._tell()

    def held(self, khz: int) -> None:
        """A clock was asked for and reached."""
        with self._lock:
            if khz <= self._cap_khz:
                return
            self._patience = self._patience.succeeded()
            self._cap_khz = self.ladder_khz[-1]
        logger.info("clock %s kHz is reached again", khz)
        self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def _cap_now_khz(self) -> int:
        with self._lock:
            return self.ladder_khz[-1] if self._patience.allows(self._clock() * 1e3) else self._cap_khz
