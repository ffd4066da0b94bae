"""The answer to a plain request, written without gunicorn: its head in one go, and what follows as it comes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from gunicorn import SERVER  # type: ignore[import-untyped]

from cloud.front.sending import PIECE_BYTES, Sending

logger = logging.getLogger(__name__)

_OWN_LINES = 4


class Reply:
    """What a WSGI app answers one request of HTTP/1.1 with, on a connection that is kept if it is as long as it says."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._head = b""
        self._begun = False
        self._left_bytes: int | None = None

    def start(self, status: str, headers: Sequence[tuple[str, str]], _error: object = None) -> Callable[[bytes], None]:
        """`start_response` of PEP 3333."""
        length = dict(headers).get("Content-Length")
        self._left_bytes = None if length is None else int(length)
        lines = [f"{name}: {value}\r\n" for name, value in headers]
        connection = "close" if length is None else "keep-alive"
        head = (
            f"HTTP/1.1 {status}\r\nServer: {SERVER}\r\nDate: {_date_at(int(time.time()))}\r\nConnection: {connection}\r\n"
            f"{''.join(lines)}\r\n"
        )
        if not head.count("\r") == head.count("\n") == len(headers) + _OWN_LINES + 1:
            raise ValueError("a header of an answer holds a line break")
        self._head = head.encode("latin-1")
        return self._write

    def of(self, app: Callable[..., Any], environ: dict[str, Any]) -> bool:
        """Sends what the app answers; whether another request may follow. What fails once it has begun is logged, and ends it."""
        try:
            answer = app(environ, self.start)
            try:
                for piece in answer:
                    self._write(piece)
                if not self._begun:
                    self._write(b"")
            finally:
                if hasattr(answer, "close"):
                    answer.close()
        except OSError:
            raise
        except Exception:
            if not self._begun:
                raise
            logger.exception("an answer broke off")
            return False
        return self._left_bytes == 0

    def _write(self, piece: bytes) -> None:
        if self._left_bytes is not None:
            self._left_bytes -= len(piece)
        if not self._begun and len(piece) <= PIECE_BYTES:  # its reader is woken up once
            piece = self._head + piece
        elif not self._begun:
            self._send(self._head)
        self._begun = True
        self._send(piece)


@lru_cache(maxsize=1)
def _date_at(second: int) -> str:
    """As answers tell it (RFC 9110, section 5.6.7)."""
    return formatdate(second, usegmt=True)


class Unsent:
    """Sends without waiting, and keeps what did not go."""

    def __init__(self, sending: Sending) -> None:
        self._sending = sending
        self._rest = bytearray()

    def send(self, data: bytes) -> None:
        """Some of it now, and the rest when there is time."""
        self._rest += data if self._rest else self._sending.send_some(data)

    def flush(self) -> None:
        """The rest; waits for the reader."""
        self._sending.send_whole(self._rest)

    def __bool__(self) -> bool:
        return bool(self._rest)
