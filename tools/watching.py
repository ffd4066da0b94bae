"""Asking a server again and again, until something has come about there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from protocol.errors import InvalidInput, ServiceMissing, TryLater
from tools.output import console

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 2.0

T = TypeVar("T")


class Watch:
    """Asks until `end_s` of the monotonic clock, ever less often while nothing changes.

    Once there was an answer, a server that is away or has too much to do is told of once and asked again: what is watched
    goes on without it.
    """

    def __init__(self, timeout_s: float) -> None:
        self._end_s = time.monotonic() + timeout_s
        self._answered = self._troubled = False

    def until(self, settled: Callable[[T], bool], ask: Callable[[], T], *, unsettled: Callable[[T], str]) -> T:
        """The first answer that is settled. ServiceMissing with the words of `unsettled` where the time is over."""
        pause_s = _FIRST_PAUSE_S
        while True:
            found = self._asked(ask)
            if settled(found):
                return found
            if time.monotonic() >= self._end_s:
                raise ServiceMissing(unsettled(found))
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _asked(self, ask: Callable[[], T]) -> T:
        while True:
            try:
                found = ask()
            except (ServiceMissing, TryLater) as error:
                if not self._answered or time.monotonic() >= self._end_s:
                    raise
                self._tell(error)
                retry_after_s = error.retry_after_s if isinstance(error, TryLater) else None
                time.sleep(max(retry_after_s or 0.0, _LONGEST_PAUSE_S))
            else:
                self._answered, self._troubled = True, False
                return found

    def _tell(self, error: Exception) -> None:
        if not self._troubled:
            console().print(f"{error}; asking again", highlight=False, soft_wrap=True)
        self._troubled = True


def check_wait(wait_s: float) -> None:
    """InvalidInput for a value of --wait that is no time; infinity is one."""
    if not wait_s >= 0:
        raise InvalidInput(f"--wait must be 0 or more seconds, not {wait_s:g}")
