"""How many requests one caller may have under way at once, and all together."""

from __future__ import annotations

import threading
from types import TracebackType

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
        self._counts: dict[str, int] = {}

    def one_of(self, caller: str) -> _OneOf:
        """Counts a request while the block runs; Overloaded when the caller has as many already as one may have, Busy when
        all callers together do."""
        return _OneOf(self, caller)

    def begin(self, caller: str) -> None:
        """As `one_of` does."""
        with self._lock:
            count = self._counts.get(caller, 0)
            if count >= self._most:
                raise Overloaded(
                    f"of {self._what} this token may have {self._most} under way; wait for one of them",
                    retry_after_s=_RETRY_AFTER_S,
                )
            if self._together is not None and sum(self._counts.values()) >= self._together:
                raise Busy(
                    f"of {self._what} {self._together} are under way here already; try again",
                    retry_after_s=_RETRY_AFTER_S,
                )
            self._counts[caller] = count + 1

    def end(self, caller: str) -> None:
        """Of one that has begun."""
        with self._lock:
            left = self._counts.pop(caller) - 1
            if left:
                self._counts[caller] = left


class _OneOf:
    """A block that counts as a request."""

    def __init__(self, in_flight: InFlight, caller: str) -> None:
        self._in_flight = in_flight
        self._caller = caller

    def __enter__(self) -> None:
        self._in_flight.begin(self._caller)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._in_flight.end(self._caller)
