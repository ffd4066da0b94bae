"""Host names: looked up in a thread of their own, since the system's resolver knows no deadline."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

Address = tuple[int, tuple[Any, ...]]
"""Family and socket address, as `socket.getaddrinfo` gives them."""

Lookup = Callable[[str, int], list[Address]]


def look_up(host: str, port: int) -> list[Address]:
    """What the system's resolver says; OSError where it knows nothing."""
    return [(found[0], found[4]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Names:
    """Looks up one name. Thread-safe.

    A lookup that takes too long goes on by itself, and whoever asks next waits for the same one: a resolver that hangs
    costs one thread, however many requests there are. Each new connection asks anew, so that a name may move.
    """

    def __init__(self, host: str, port: int, *, lookup: Lookup = look_up) -> None:
        self._host = host
        self._port = port
        self._lookup = lookup
        self._lock = threading.Lock()
        self._pending: Future[list[Address]] | None = None

    def addresses(self, timeout_s: float) -> list[Address]:
        """The addresses, best first. Raises OSError where there are none, TimeoutError when nobody said so in time."""
        with self._lock:
            pending = self._pending or self._begun()
        return pending.result(timeout_s)

    def _begun(self) -> Future[list[Address]]:
        """Pending from when its thread runs: one that could not be started would be waited for in vain, for ever."""
        found: Future[list[Address]] = Future()
        thread = threading.Thread(target=self._look_up, args=(found,), name="names", daemon=True)
        try:
            thread.start()  # it is done only once the lock is free again
        except RuntimeError as error:
            raise OSError(f"{self._host} cannot be looked up: {error}") from error
        self._pending = found
        return found

    def _look_up(self, found: Future[list[Address]]) -> None:
        try:
            addresses = self._lookup(self._host, self._port)
        except (OSError, UnicodeError, MemoryError) as error:  # a name that cannot be encoded is none
            self._done()
            found.set_exception(error if isinstance(error, OSError) else OSError(str(error)))
        else:
            self._done()
            found.set_result(addresses)

    def _done(self) -> None:
        with self._lock:
            self._pending = None
