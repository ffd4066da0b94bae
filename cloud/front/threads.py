"""Threads that serve requests, and how many requests they may have."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

logger = logging.getLogger(__name__)

Work = Callable[[], object]


class Threads:
    """`count` threads, and as many as `waiting` requests that wait for one. The first thread starts at once, the others when they
    are needed; where the system has none to give, work waits for those that there are.

    Work goes to the thread that was the last to become idle, whose stack is still in the processor's caches, and wakes up no
    other: those of `concurrent.futures` share a queue (CPython 3.11, `_queuemodule.c`), of which whoever is woken up wakes up the
    next one, and that asks for the interpreter all through a tail. What runs when the process ends is cut off.
    """

    def __init__(self, count: int, *, waiting: int) -> None:
        self._count = count
        self._most = count + waiting
        self._lock = threading.Lock()
        self._started = 0
        self._idle: list[_Seat] = []
        self._waiting: deque[Work] = deque()
        self.under_way = 0
        """Counted by the event loop's thread alone."""
        self._idle.append(self._new_seat())

    @property
    def is_full(self) -> bool:
        """Whether as many are served, or wait for it, as may."""
        return self.under_way >= self._most

    def submit(self, work: Work) -> None:
        """Has it done; what it raises is logged."""
        with self._lock:
            seat = self._idle.pop() if self._idle else self._another_seat()
            if seat is None:
                self._waiting.append(work)
                return
        seat.give(work)

    def shutdown(self, **_how: bool) -> None:
        """As gunicorn asks for it, without waiting: what nobody has begun is forgotten."""
        with self._lock:
            self._waiting.clear()

    def _another_seat(self) -> _Seat | None:
        if self._started == self._count:
            return None
        try:
            return self._new_seat()
        except RuntimeError as error:
            logger.warning("%d of %d threads serve: %s", self._started, self._count, error)
            return None

    def _new_seat(self) -> _Seat:
        seat = _Seat()
        threading.Thread(target=self._serve, args=(seat,), daemon=True).start()
        self._started += 1
        return seat

    def _serve(self, seat: _Seat) -> None:
        while True:
            work: Work | None = seat.taken()
            while work:
                _do(work)
                work = self._next(seat)

    def _next(self, seat: _Seat) -> Work | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._idle.append(seat)
            return None


class _Seat:
    """Where one thread waits for work."""

    def __init__(self) -> None:
        self._work: Work | None = None
        self._empty = threading.Lock()
        self._empty.acquire()

    def give(self, work: Work) -> None:
        self._work = work
        self._empty.release()

    def taken(self) -> Work | None:
        self._empty.acquire()
        work, self._work = self._work, None
        return work


def _do(work: Work) -> None:
    try:
        work()
    except BaseException:
        logger.exception("a thread of requests goes on after an error")
