"""A socket that the app reads a body from, as long as the client keeps to the lowest rate."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from cloud.front.limits import Limits


class Paced:
    """What gunicorn's parser needs of a socket. `began_s`: when the request began, on the clock."""

    def __init__(
        self, sock: Any, limits: Limits, *, began_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sock = sock
        self._limits = limits
        self._began_s = began_s
        self._clock = clock
        self._received_bytes = 0

    def recv(self, size: int) -> bytes:
        """As the socket does; TimeoutError when the body takes too long by now."""
        if self._limits.overdue(self._clock() - self._began_s, self._received_bytes):
            raise TimeoutError("the body comes too slowly")
        data: bytes = self._sock.recv(size)
        self._received_bytes += len(data)
        return data

    def gettimeout(self) -> float | None:
        """In seconds, of one step."""
        timeout_s: float | None = self._sock.gettimeout()
        return timeout_s

    def settimeout(self, timeout_s: float | None) -> None:
        """In seconds, of one step."""
        self._sock.settimeout(timeout_s)
