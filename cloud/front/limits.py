"""How much may wait in front of the app, and how long."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Of one worker process.

    `body_bytes`: a larger body, and one in chunks, is read from the socket by the app, in one of `streams` threads of their
    own. `held_bytes`: all requests that arrive or are served, together; beyond it those go that began first. `waiting`: whole
    requests that may wait for a thread, and others that may wait for a stream. `patience_s` and `slowest_bytes_per_s`: a
    request has so long to arrive, and longer the more of it came, also while the app reads it. `stall_s`: what a socket may
    take for one step once a thread serves it, and what the reader of an answer may be behind the same lowest rate. `linger_s`:
    how long a closed connection waits for the client's end, so that the answer is read. `stopping_s`: what a request that has
    begun to arrive gets when the worker ends.
    """

    body_bytes: int = 16 * 1024**2
    held_bytes: int = 256 * 1024**2
    waiting: int = 32
    streams: int = 4
    patience_s: float = 30.0
    slowest_bytes_per_s: float = 4096.0
    stall_s: float = 60.0
    linger_s: float = 2.0
    stopping_s: float = 5.0

    def overdue(self, waited_s: float, received_bytes: int) -> bool:
        """Whether a request takes too long to arrive."""
        return waited_s > self.patience_s + received_bytes / self.slowest_bytes_per_s
