"""A watch over connections: what is not done by its moment is cut off, however slowly its bytes trickle."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from hardware.clock import Clock


class Watch:
    """Shuts sockets down at their moments. Thread-safe.

    A socket's own timeout begins anew with each byte, so that a peer that sends one now and then is never late. One thread
    sleeps until the earliest moment there is, and without any it just sleeps.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._ends_s: dict[socket.socket, float] = {}
        self._wakes_s = float("inf")
        self._thread: threading.Thread | None = None
        self._closed = False

    @contextlib.contextmanager
    def until(self, end_s: float, watched: socket.socket) -> Iterator[None]:
        """Cuts it off at this moment of the clock, unless the block has ended by then. OSError where nobody could watch."""
        try:
            self._begin(end_s, watched)
            yield
        finally:
            with self._changed:
                self._ends_s.pop(watched, None)

    def close(self) -> None:
        """Cuts off all that is watched, and what is to be watched from now on."""
        with self._changed:
            self._closed = True
            for watched in self._ends_s:
                _cut_off(watched)
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _begin(self, end_s: float, watched: socket.socket) -> None:
        with self._changed:
            if self._closed:
                raise OSError("connections are not watched any more")
            self._ends_s[watched] = end_s
            if self._thread is None:
                self._thread = self._started()
            elif end_s < self._wakes_s:
                self._changed.notify()

    def _started(self) -> threading.Thread:
        """Running: one that could not be started is tried again with the next to be watched."""
        thread = threading.Thread(target=self._run, name="watch", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise OSError(f"a connection cannot be watched: {error}") from error
        return thread

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                for watched in [each for each, end_s in self._ends_s.items() if end_s <= self._clock()]:
                    del self._ends_s[watched]
                    _cut_off(watched)
                self._wakes_s = min(self._ends_s.values(), default=float("inf"))
                self._changed.wait(None if self._wakes_s == float("inf") else max(self._wakes_s - self._clock(), 0.0))


def _cut_off(watched: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # Not the method of a TLS socket, which would pull its state from under who reads.
        socket.socket.shutdown(watched, socket.SHUT_RDWR)
