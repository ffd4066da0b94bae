"""A socket that an answer is written to, as long as its reader keeps to the lowest rate."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from cloud.front.connection import WOULD_BLOCK
from cloud.front.limits import Limits

PIECE_BYTES = 64 * 1024
"""Of what a socket is given at a time: in TLS it takes all of it or waits."""


_END_OF_HEAD = b"\r\n\r\n"


class Sending:
    """What gunicorn needs of a socket to answer on.

    Waiting for the reader uses up `stall_s`; what is taken gives some of it back, at the lowest rate, and never more than was
    there at first: who took a lot at once can rest no longer for it. What the app needs to make the answer counts for nobody.
    """

    def __init__(self, sock: Any, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._sock = sock
        self._limits = limits
        self._clock = clock
        self._left_s = limits.stall_s
        self._head: bytes | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def sendall(self, data: Any) -> None:
        """As the socket does, but for an answer's head: that waits for what follows, so that its reader is woken up once.
        TimeoutError when the reader is too slow by now."""
        if self._head is None and data[-len(_END_OF_HEAD) :] == _END_OF_HEAD:
            self._head = data
            return
        head, self._head = self._head or b"", b""
        if head and len(data) > PIECE_BYTES:
            self.send_whole(head)
            self.send_whole(data)
        else:
            self.send_whole(head + data if head else data)

    def flush(self) -> None:
        """Nothing follows the head."""
        head, self._head = self._head or b"", b""
        self.send_whole(head)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """As the socket does, without TLS; TimeoutError when the reader is too slow by now."""
        self.flush()
        end = os.fstat(file.fileno()).st_size if count is None else offset + count
        place = offset
        while place < end and (taken := self._step(partial(self._sent_of, file, place, end - place))):
            place += taken
        return place - offset

    def send_whole(self, data: Any) -> None:
        """All of it; TimeoutError when the reader is too slow by now."""
        rest = memoryview(data)
        while rest:
            piece = rest[:PIECE_BYTES]
            rest = rest[self._at_once(piece) or self._step(partial(self._sock.send, piece)) :]

    def send_some(self, data: Any) -> memoryview:
        """As much as goes without waiting; what is left."""
        rest = memoryview(data)
        while rest and (taken := self._at_once(rest[:PIECE_BYTES])):
            rest = rest[taken:]
        return rest

    def _at_once(self, piece: memoryview) -> int:
        """How many bytes were taken without a wait: all of most answers; 0 of a socket that is full, or on which somebody had to be
        waited for."""
        if self._sock.gettimeout() != 0:
            return 0
        try:
            taken: int = self._sock.send(piece)
        except WOULD_BLOCK:
            return 0
        return taken

    def _sent_of(self, file: Any, place: int, count: int) -> int:
        waiting = select.poll()
        waiting.register(self._sock, select.POLLOUT)
        if not waiting.poll(self._left_s * 1e3):
            raise TimeoutError("the answer is not read")
        return os.sendfile(self._sock.fileno(), file.fileno(), place, count)

    def _step(self, send: Callable[[], int]) -> int:
        """How many bytes were taken."""
        self._sock.settimeout(self._left_s)
        began_s = self._clock()
        taken = send()
        earned_s = taken / self._limits.slowest_bytes_per_s
        self._left_s = min(self._limits.stall_s, self._left_s - (self._clock() - began_s) + earned_s)
        if self._left_s <= 0:
            raise TimeoutError("the answer is read too slowly")
        return taken


@dataclass(frozen=True)
class Answered:
    """What gunicorn needs of a connection to answer on it."""

    sock: Sending
    client: Any
    server: Any
