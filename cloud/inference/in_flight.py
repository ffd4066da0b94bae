"""How many requests one caller may have under way at once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from protocol.errors import Overloaded

_RETRY_AFTER_S = 1.0


class InFlight:
    """Counts requests by caller. Thread-safe; each worker process has its own. `what` they are in the words of a refusal."""

    def __init__(self, most: int, *, what: str = "requests") -> None:
        self._most = most
        self._what = what
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    @contextmanager
    def one_of(self, caller: str) -> Iterator[None]:
        """Counts a request while the block runs; Overloaded when the caller has as many already as one may have."""
        with self._lock:
            if self._counts[caller] >= self._most:
                raise Overloaded(
                    f"{self._most} {self._what} of this token are under way; wait for one of them",
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
