"""Wall time, and whether it can be trusted."""

from __future__ import annotations

import ctypes
import logging
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

_TIMEX_BYTES = 512
"""More than struct timex takes on any Linux; all zero means: change nothing, only tell (adjtimex(2))."""

_TIME_ERROR = 5


class WallClock:
    """Seconds since the epoch, with the kernel's word on whether something (NTP, chrony, …) keeps the clock right.

    A Pi has no battery-backed clock: until it has heard from a time server after a boot, its time is wrong.
    """

    def __init__(self) -> None:
        self._adjtimex = _adjtimex()

    def now(self) -> tuple[float, bool]:
        """The time, and whether it is synchronised."""
        return time.time(), self._synced()

    def _synced(self) -> bool:
        if self._adjtimex is None:
            return False
        return 0 <= self._adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)) < _TIME_ERROR


def _adjtimex() -> Callable[..., int] | None:
    try:
        function: Callable[..., int] = ctypes.CDLL(None).adjtimex
    except (AttributeError, OSError):
        logger.info("this system has no adjtimex; times are marked as not synchronised")
        return None
    return function
