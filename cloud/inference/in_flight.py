"""How many requests one caller may have under way at once, and all together."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from protocol.errors import Busy, Overloaded

_RETRY_AFTER_S = 1.0


class InFlight:
    """Counts requests by caller. Thread-safe; each worker process has its own. `what` they are in the words of a refusal.

    `together`: of all callers; without it there is no such bound.
    """

    def __init__(self, most: int, *, together: int | None = None, what: str = "requests") -> None:
        self._most = most
        self._together = together
        self._what = what
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    @contextmanager
    def one_of(self, caller: str) -> Iterator[None]:
        """Counts a request while the block runs; Overloaded when the caller has as many already as one may have, Busy when
        all callers together do."""
        with self._lock:
            if self._counts[caller] >= self._most:
                raise Overloaded(
                    f"of {self._what} this token may have {self._most} under way; wait for one of them",
                    retry_after_s=_RETRY_AFTER_S,
                )
            if self._together is not None and self._counts.total() >= self._together:
                raise Busy(
                    f"of {self._what} {self._together} are under way here already; try again",
                    retry_after_s=_RETRY_AFTER_S,
                )
            self._counts[caller] += 1
        try:
            yield
        finally:
            with self._lock:
                self._counts[caller] -= 1
                if not self._counts[caller]:
                    del self._counts[caller]
