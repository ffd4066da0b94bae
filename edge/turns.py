"""Turns: the device serves one request at a time, in the order of their coming."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from protocol.errors import Overloaded


class Turns:
    """A queue of bounded length in front of one server."""

    def __init__(self, *, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._lock = threading.Lock()
        self._busy = False
        self._waiting: deque[threading.Event] = deque()

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return len(self._waiting)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for the turn; Overloaded at once when `max_waiting` others wait already."""
        if (mine := self._queue()) is not None:
            mine.wait()
        try:
            yield
        finally:
            self._next()

    def _queue(self) -> threading.Event | None:
        """None when it is the caller's turn now; otherwise what will tell."""
        with self._lock:
            if not self._busy:
                self._busy = True
                return None
            if len(self._waiting) >= self._max_waiting:
                raise Overloaded(f"{len(self._waiting)} requests are waiting on this device; try again later")
            self._waiting.append(event := threading.Event())
            return event

    def _next(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._busy = False
