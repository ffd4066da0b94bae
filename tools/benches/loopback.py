"""A caller at loopback that costs next to nothing, and what its way there and back takes by itself."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Self, cast

from protocol.errors import ServiceMissing

_TIMEOUT_S = 30.0
_CHUNK_BYTES = 1 << 16
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)

_MIRROR = """
import socket, sys
takes, gives = int(sys.argv[1]), bytes(int(sys.argv[2]))
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
connection, _ = listening.accept()
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
while True:
    left = takes
    while left:
        chunk = connection.recv(min(left, 1 << 16))
        if not chunk:
            sys.exit()
        left -= len(chunk)
    connection.sendall(gives)
"""


class Caller:
    """One connection to a server on this machine. For one thread."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> tuple[bytes, float]:
        """The reply of HTTP/1.1, head and body, and the ms from the first byte out to the last one in."""
        began_s, reply, size = time.perf_counter(), b"", 0
        self._socket.sendall(request)
        while not size or len(reply) < size:
            reply += self._received()
            size = size or _size(reply)
        return reply, (time.perf_counter() - began_s) * 1e3

    def swap(self, request: bytes, *, reply_bytes: int) -> float:
        """The ms until so many bytes have come back, whatever they are."""
        began_s, left = time.perf_counter(), reply_bytes
        self._socket.sendall(request)
        while left:
            left -= len(self._received())
        return (time.perf_counter() - began_s) * 1e3

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def _received(self) -> bytes:
        chunk = self._socket.recv(_CHUNK_BYTES)
        if not chunk:
            raise ServiceMissing("the server hung up in the middle of an answer; its log says why")
        return chunk


def http_request(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """A POST of HTTP/1.1 as bytes."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def split_reply(reply: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a reply."""
    head, _, body = reply.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return int(status.split()[1]), dict(line.split(": ", 1) for line in lines), body


@contextmanager
def mirrored(request_bytes: int, reply_bytes: int) -> Iterator[Caller]:
    """A caller of a process that only takes so many bytes and gives so many: what it waits is its own time and loopback's."""
    command = [sys.executable, "-c", _MIRROR, str(request_bytes), str(reply_bytes)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        with Caller(int(cast(IO[bytes], process.stdout).readline())) as caller:
            yield caller
    finally:
        process.kill()
        process.communicate()


def _size(reply: bytes) -> int:
    """Of all of the reply, by its head; 0 while that is not there."""
    end = reply.find(b"\r\n\r\n")
    if end < 0:
        return 0
    length = _LENGTH.search(reply, 0, end + 2)
    if length is None:
        raise ServiceMissing(f"the answer has no length: {reply[:end]!r:.200}")
    return end + 4 + int(length[1])
