"""Turns: the device serves one request at a time, in the order of their coming."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from protocol.errors import Overloaded


@dataclass(frozen=True, eq=False)
class _Place:
    """A place in the queue: by when it must be done (monotonic seconds), and what tells that it is its turn."""

    due_s: float
    turn: threading.Event = field(default_factory=threading.Event)


class Turns:
    """A queue of bounded length in front of one server. Thread-safe."""

    def __init__(self, *, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._lock = threading.Lock()
        self._busy = False
        self._waiting: deque[_Place] = deque()

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return len(self._waiting)

    def behind_ms(self, now_s: float) -> tuple[float, ...]:
        """What remains of the deadlines of those who wait, in their order: infinite without one, negative when passed."""
        with self._lock:
            return tuple((place.due_s - now_s) * 1e3 for place in self._waiting)

    @contextmanager
    def turn(self, *, due_s: float = math.inf) -> Iterator[None]:
        """Waits for the turn; Overloaded at once when `max_waiting` others wait already. `due_s`: the monotonic moment of
        the deadline, which those before it may take into account."""
        mine = self._queue(due_s)
        try:
            if mine is not None:
                mine.turn.wait()
            yield
        finally:
            self._leave(mine)

    def _queue(self, due_s: float) -> _Place | None:
        """None when it is the caller's turn now; otherwise its place."""
        with self._lock:
            if not self._busy:
                self._busy = True
                return None
            if len(self._waiting) >= self._max_waiting:
                raise Overloaded(f"{len(self._waiting)} requests are waiting on this device; try again later")
            self._waiting.append(mine := _Place(due_s))
            return mine

    def _leave(self, mine: _Place | None) -> None:
        """Gives up the place of one who still waits, else passes the turn on."""
        with self._lock:
            if mine is not None and mine in self._waiting:
                self._waiting.remove(mine)
            elif self._waiting:
                self._waiting.popleft().turn.set()
            else:
                self._busy = False
