"""One request while it arrives: how far it is, and where its next bytes belong. No socket and no clock in here."""

from __future__ import annotations

import io
import re
from enum import Enum
from typing import Any

import numpy as np

MOST_HEAD_BYTES = 64 * 1024

_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n", re.IGNORECASE)
_FRAMED_OTHERWISE = re.compile(rb"\r\ntransfer-encoding[ \t]*:", re.IGNORECASE)
_WAITS = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)


class Stage(Enum):
    """How far a request is."""

    HEAD = "head"
    BODY = "body"
    WHOLE = "whole"
    STREAMED = "streamed"
    """The head is there; the body is chunked, or larger than may wait here: the app reads it from the socket."""

    HEAD_TOO_LARGE = "head too large"


class Arrival:
    """A request of HTTP/1.1 (RFC 9112) of which bytes come in.

    Where a head ends and how long a body is are only looked for as far as reading needs it; gunicorn's parser judges them
    afterwards, and where it disagrees its word counts.
    """

    def __init__(self, *, most_body_bytes: int) -> None:
        self._most_body_bytes = most_body_bytes
        self._filled = 0
        self.stage = Stage.HEAD
        self.head = bytearray()
        self.body: Any = np.empty(0, np.uint8)
        self.surplus = b""

    @property
    def received_bytes(self) -> int:
        """So far."""
        return len(self.head) + self._filled

    @property
    def waits_for_continue(self) -> bool:
        """Whether the client sends the body only after `100 Continue` (RFC 9110, section 10.1.1)."""
        return self.stage is Stage.BODY and not self._filled and bool(_WAITS.search(self.head))

    def room(self) -> memoryview:
        """Where the next bytes of the body belong."""
        return memoryview(self.body)[self._filled :]

    def filled(self, count: int) -> None:
        """So many bytes were written to `room`."""
        self._filled += count
        if self._filled == len(self.body):
            self.stage = Stage.WHOLE

    def add(self, data: bytes) -> None:
        """Bytes of the head, and what came with them: of the body, and of what follows (`surplus`)."""
        searched = max(0, len(self.head) - len(_END) + 1)
        self.head += data
        end = self.head.find(_END, searched)
        if end < 0:
            if len(self.head) > MOST_HEAD_BYTES:
                self.stage = Stage.HEAD_TOO_LARGE
            return
        rest = bytes(self.head[end + len(_END) :])
        del self.head[end + len(_END) :]
        self._begin_body(rest)

    def _begin_body(self, rest: bytes) -> None:
        found = _LENGTH.search(self.head)
        length = int(found[1]) if found else 0
        if _FRAMED_OTHERWISE.search(self.head) or length > self._most_body_bytes:
            self.stage, self.surplus = Stage.STREAMED, rest
            return
        # Its pages are taken as they fill, so a length that is only claimed costs nothing.
        self.body = np.empty(length, np.uint8)
        here = min(length, len(rest))
        self.body[:here] = np.frombuffer(rest, np.uint8, here)
        self.surplus = rest[here:]
        self.stage = Stage.BODY
        self.filled(here)


class ReceivedBody(io.RawIOBase):
    """A body that is there: `wsgi.input` for the app, and its bytes without a copy.

    `arrived_s` is when its last byte was read, on the clock of `time.perf_counter`.
    """

    def __init__(self, body: Any, arrived_s: float) -> None:
        super().__init__()
        self.view = memoryview(body)
        self.arrived_s = arrived_s
        self._place = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self.view[self._place : self._place + len(buffer)]
        buffer[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)

    def read(self, size: int | None = -1) -> bytes:
        end = len(self.view) if size is None or size < 0 else self._place + size
        piece = bytes(self.view[self._place : end])
        self._place += len(piece)
        return piece

    def skip(self) -> None:
        """The app reads no more of it."""
        self._place = len(self.view)
