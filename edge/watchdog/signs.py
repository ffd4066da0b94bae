"""Signs of life: of the local API, by asking it; of threads, by their names."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Collection

from edge.watchdog.watching import Sign

THREADS = ("courier", "jobs", "state", "tables")
"""Without any of these the agent would be deaf or dumb to the cloud."""

_REQUEST = b"GET /v2/health/live HTTP/1.0\r\nHost: localhost\r\n\r\n"
_PATIENCE_S = 5.0


def server_answers(connect: Callable[[], socket.socket], *, patience_s: float = _PATIENCE_S) -> Sign:
    """Whether a real request to the local API is answered with 200 within its patience. `connect` gives a connection to it; OSError
    where it cannot."""

    def answers() -> bool:
        with contextlib.suppress(OSError), connect() as caller:
            caller.settimeout(patience_s)
            caller.sendall(_REQUEST)
            return b" 200 " in caller.recv(64).partition(b"\r\n")[0]
        return False

    return answers


def threads_live(names: Collection[str] = THREADS) -> Sign:
    """Whether a thread of each name runs."""
    return lambda: set(names) <= {thread.name for thread in threading.enumerate()}
