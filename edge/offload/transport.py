"""Transports to the cloud: HTTP, and one that makes any other as slow as a given link."""

from __future__ import annotations

import http.client
import time
import urllib.parse
from pathlib import Path

from edge.offload.cloud import Carried, CloudFailed, CloudLate, Ration, Transport, Unlimited
from edge.offload.connections import Connection, Connections, Unreachable
from edge.offload.names import Names
from edge.offload.watch import Watch
from hardware.clock import Clock, Sleep
from protocol.content_encoding import MAX_BODY_BYTES
from protocol.documents import parse_object
from protocol.errors import InvalidInput
from protocol.inference import Wire
from protocol.link import Link

_CHUNK_BYTES = 1 << 18
_PAUSE_S = 0.02
"""Before a server is asked again that refused: one that is just being replaced is back after a moment."""
_ENDING = "the device is ending, and waits for the cloud no more"
_NOT_PROCESSED = (502, 503)
"""What stands before a server answers when that did not take the request (RFC 9110, sections 15.6.3 and 15.6.4)."""


class _Again(CloudFailed):
    """It failed before anybody had begun to work on it, so it may be tried once more, after a pause."""

    pause_s = 0.0


class _Receipt:
    """What was sent for one request so far."""

    nbytes = 0


class HttpTransport:
    """HTTP/1.1 with connections that are kept open, as many as there are requests at once. No redirects, no proxies.

    The whole reply must be there in time, not its start; that holds for looking up the server's name too. A request that
    nobody worked on (refused, reset before any answer, 502, 503) is sent once more where time is left, never one that was
    late. Each attempt to send a body is counted by `ration`, whole, however it ends, but for those that found nobody.
    `ca`: as for `Connections`.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str,
        ration: Ration | None = None,
        ca: Path | None = None,
        names: Names | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
    ) -> None:
        self._base_path = urllib.parse.urlsplit(base_url).path.rstrip("/")
        self._connections = Connections(base_url, clock=clock, ca=ca, names=names)
        self._watch = Watch(clock=clock)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._ration = ration or Unlimited()
        self._closed = False
        self._clock = clock
        self._sleep = sleep

    def post(self, path: str, wire: Wire, *, timeout_s: float) -> Carried:
        receipt = _Receipt()
        try:
            return Carried(self._posted(path, wire, receipt, timeout_s=timeout_s), receipt.nbytes)
        except CloudFailed as failure:
            failure.sent_bytes = receipt.nbytes
            raise

    def close(self) -> None:
        """Ends what is under way, so that those who wait for an answer need not; from now on nothing is sent."""
        self._closed = True
        self._connections.close()
        self._watch.close()

    def _posted(self, path: str, wire: Wire, receipt: _Receipt, *, timeout_s: float) -> Wire:
        end_s = self._clock() + timeout_s
        try:
            try:
                return self._once(path, wire, receipt, end_s=end_s)
            except _Again as failure:
                if self._clock() + failure.pause_s >= end_s:
                    raise
                self._sleep(failure.pause_s)
                return self._once(path, wire, receipt, end_s=end_s)
        except TimeoutError as error:
            raise _late(timeout_s) from error
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, CloudFailed):
                raise
            if self._closed:
                raise CloudFailed(_ENDING) from error
            if self._clock() >= end_s:  # the watch cut it off
                raise _late(timeout_s) from error
            raise CloudFailed(f"the connection to the cloud broke: {error}") from error

    def _once(self, path: str, wire: Wire, receipt: _Receipt, *, end_s: float) -> Wire:
        if self._closed:
            raise CloudFailed(_ENDING)
        self._ration.check(len(wire.body))
        try:
            with self._connections.one(end_s) as connection:
                with self._watch.until(end_s, connection.sock):
                    self._ration.take(len(wire.body))
                    receipt.nbytes += len(wire.body)
                    response = self._sent(connection, path, wire, end_s)
                    with response:
                        body = _body(response)
                if response.will_close:
                    connection.close()
        except Unreachable as error:
            raise _again(f"the cloud cannot be reached at {self._where}: {error}", pause_s=_PAUSE_S) from error
        if response.status in _NOT_PROCESSED:
            raise _again(_said(response.status, body), pause_s=_PAUSE_S)
        if response.status != 200:
            raise CloudFailed(_said(response.status, body))
        return Wire(dict(response.headers.items()), body)

    @property
    def _where(self) -> str:
        return f"{self._connections.host}:{self._connections.port}"

    def _sent(self, connection: Connection, path: str, wire: Wire, end_s: float) -> http.client.HTTPResponse:
        """The response's head, once it is there."""
        connection.sock.settimeout(max(end_s - self._clock(), 1e-3))
        try:
            connection.request(
                "POST", self._base_path + path, body=wire.body, headers={**self._headers, **wire.headers}
            )
            return connection.getresponse()
        except (ConnectionError, http.client.RemoteDisconnected) as error:
            if self._clock() >= end_s:
                raise
            raise _again(f"the connection to the cloud broke: {error}") from error
        except ValueError as error:  # its text may hold the token
            raise CloudFailed("the request to the cloud cannot be sent: its path or a header is not plain") from error


def _body(response: http.client.HTTPResponse) -> bytes:
    """All of it; what breaks off before its end is none."""
    chunks: list[bytes] = []
    size = 0
    while chunk := response.read1(_CHUNK_BYTES):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise CloudFailed(f"the cloud's answer is larger than {MAX_BODY_BYTES} bytes")
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _again(reason: str, *, pause_s: float = 0.0) -> _Again:
    failure = _Again(reason)
    failure.pause_s = pause_s
    return failure


def _said(status: int, body: bytes) -> str:
    return f"the cloud answered {status}: {_error_in(body)}"


def _late(timeout_s: float) -> CloudLate:
    return CloudLate(f"the cloud did not answer within {timeout_s * 1e3:.0f} ms")


def _error_in(body: bytes) -> str:
    """What the backend says in `{"error": …}`, or the start of what came instead."""
    try:
        return str(parse_object(body, what="error").get("error"))[:200]
    except InvalidInput:
        return repr(body[:60])


class EmulatedLink:
    """Another transport, as slow as `link`: waits half the round-trip time and the body on each way.

    What the inner transport takes comes on top, so it should be on the same machine. Only its time and these waits
    count; the backend knows nothing of it. Requests at the same time have the link each for itself.
    """

    def __init__(
        self,
        inner: Transport,
        link: Link,
        *,
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
    ) -> None:
        self._inner = inner
        self._link = link
        self._clock = clock
        self._sleep = sleep

    def post(self, path: str, wire: Wire, *, timeout_s: float) -> Carried:
        end_s = self._clock() + timeout_s
        sent_bytes = len(wire.body)
        try:
            self._travel(sent_bytes / self._link.up_bytes_per_ms, end_s)
            carried = self._inner.post(path, wire, timeout_s=max(end_s - self._clock(), 1e-3))
            sent_bytes = carried.sent_bytes
            self._travel(len(carried.reply.body) / self._link.down_bytes_per_ms, end_s)
        except CloudLate as error:
            late = _late(timeout_s)
            late.sent_bytes = error.sent_bytes or sent_bytes
            raise late from error
        return carried

    def _travel(self, body_ms: float, end_s: float) -> None:
        wait_s = (self._link.rtt_ms / 2 + body_ms) / 1e3
        left_s = end_s - self._clock()
        self._sleep(max(0.0, min(wait_s, left_s)))
        if wait_s > left_s:
            raise CloudLate("the time ran out on the emulated link")
