"""Clients of the backend, in a process of their own: connections that are kept, each asking again once it was answered."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import Any

from protocol.errors import DynaSplitError
from tools.benches.loopback import Caller, split_reply

_RETRY_AFTER = re.compile(r"retry-after", re.IGNORECASE)
_MOST_COMPLAINTS = 5


class _Found:
    """What the connections saw. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.served_ms: list[float] = []
        self.refused = 0
        self.complaints: list[str] = []

    def served(self, took_ms: float) -> None:
        with self._lock:
            self.served_ms.append(took_ms)

    def refused_honestly(self) -> None:
        with self._lock:
            self.refused += 1

    def complain(self, what: str) -> None:
        with self._lock:
            self.complaints.append(what)


class Clients:
    """Clients that all send the same request."""

    def __init__(self, port: int, request: str) -> None:
        self._port = port
        self._content = Path(request).read_bytes()

    def __call__(self, seconds: float, connections: int) -> dict[str, Any]:
        """`served_ms` of each request that was answered; how many were `refused` with 503 and a time to come again, which is
        heeded; and all else as `errors`, of which some are told. Who has asked before the end is waited for."""
        found, ends_s = _Found(), time.monotonic() + seconds
        asking = (self._port, self._content, ends_s, found)
        threads = [threading.Thread(target=_keep_asking, args=asking) for _ in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {
            "served_ms": found.served_ms,
            "refused": found.refused,
            "errors": len(found.complaints),
            "told": found.complaints[:_MOST_COMPLAINTS],
        }


def _keep_asking(port: int, request: bytes, ends_s: float, found: _Found) -> None:
    try:
        with Caller(port) as caller:
            while time.monotonic() < ends_s:
                reply, took_ms = caller.ask(request)
                _look_at(reply, took_ms, found)
    except (DynaSplitError, OSError) as error:
        found.complain(f"{type(error).__name__}: {error}")


def _look_at(reply: bytes, took_ms: float, found: _Found) -> None:
    status, headers, body = split_reply(reply)
    retry_after = [value for name, value in headers.items() if _RETRY_AFTER.fullmatch(name)]
    if status == 200:
        found.served(took_ms)
    elif status == 503 and retry_after:
        found.refused_honestly()
        time.sleep(float(retry_after[0]))
    else:
        found.complain(f"{status}: {body!r:.200}")
