"""Transports to the cloud: HTTP, and one that makes any other as slow as a given link."""

from __future__ import annotations

import time
import urllib.parse
from collections.abc import Callable

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ProtocolError
from urllib3.exceptions import TimeoutError as HttpTimeout

from edge.offload.cloud import CloudFailed, CloudLate, Ration, Transport, Unlimited
from hardware.clock import Clock
from protocol.content_encoding import MAX_BODY_BYTES
from protocol.documents import parse_object
from protocol.errors import InvalidInput
from protocol.inference import Wire
from protocol.link import Link

_CHUNK_BYTES = 1 << 18


class HttpTransport:
    """HTTP with one connection that is kept open. No redirects; the whole reply must be there in time, not its start.

    Each attempt to send a body is counted by `ration`, whole, however it ends, but for those that found nobody.
    """

    def __init__(
        self, base_url: str, *, token: str, ration: Ration | None = None, clock: Clock = time.monotonic
    ) -> None:
        self._base_path = urllib.parse.urlsplit(base_url).path.rstrip("/")
        self._pool = urllib3.connection_from_url(base_url, maxsize=1, retries=False)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._ration = ration or Unlimited()
        self._clock = clock

    def post(self, path: str, wire: Wire, *, timeout_s: float) -> Wire:
        end_s = self._clock() + timeout_s
        opened = self._pool.num_connections
        try:
            try:
                return self._once(path, wire, end_s)
            except ProtocolError:
                if self._pool.num_connections > opened:
                    raise
                return self._once(path, wire, end_s)  # the server had closed the kept connection meanwhile
        except NewConnectionError as error:
            raise CloudFailed(f"the cloud cannot be reached at {self._pool.host}:{self._pool.port}") from error
        except HttpTimeout as error:
            raise _late(timeout_s) from error
        except HTTPError as error:
            raise CloudFailed(f"the connection to the cloud broke: {error}") from error

    def close(self) -> None:
        self._pool.close()

    def _once(self, path: str, wire: Wire, end_s: float) -> Wire:
        response = self._sent(path, wire, end_s)
        try:
            body = self._body(response, end_s)
        except BaseException:
            response.close()
            raise
        response.release_conn()
        if response.status != 200:
            raise CloudFailed(f"the cloud answered {response.status}: {_error_in(body)}")
        return Wire(response.headers, body)

    def _sent(self, path: str, wire: Wire, end_s: float) -> urllib3.BaseHTTPResponse:
        """The response's head, once it is there."""
        receipt = self._ration.take(len(wire.body))
        try:
            return self._pool.urlopen(
                "POST",
                self._base_path + path,
                body=wire.body,
                headers={**self._headers, **wire.headers},
                timeout=urllib3.Timeout(total=max(end_s - self._clock(), 1e-3)),
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
        except (NewConnectionError, ConnectTimeoutError):
            self._ration.give_back(receipt)
            raise

    def _body(self, response: urllib3.BaseHTTPResponse, end_s: float) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while chunk := response.read1(_CHUNK_BYTES, decode_content=False):
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise CloudFailed(f"the cloud's answer is larger than {MAX_BODY_BYTES} bytes")
            if self._clock() > end_s:
                raise HttpTimeout
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


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
    count; the backend knows nothing of it.
    """

    def __init__(
        self,
        inner: Transport,
        link: Link,
        *,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._inner = inner
        self._link = link
        self._clock = clock
        self._sleep = sleep

    def post(self, path: str, wire: Wire, *, timeout_s: float) -> Wire:
        end_s = self._clock() + timeout_s
        try:
            return self._there_and_back(path, wire, end_s)
        except CloudLate as error:
            raise _late(timeout_s) from error

    def _there_and_back(self, path: str, wire: Wire, end_s: float) -> Wire:
        self._travel(len(wire.body) / self._link.up_bytes_per_ms, end_s)
        reply = self._inner.post(path, wire, timeout_s=max(end_s - self._clock(), 1e-3))
        self._travel(len(reply.body) / self._link.down_bytes_per_ms, end_s)
        return reply

    def _travel(self, body_ms: float, end_s: float) -> None:
        wait_s = (self._link.rtt_ms / 2 + body_ms) / 1e3
        left_s = end_s - self._clock()
        self._sleep(max(0.0, min(wait_s, left_s)))
        if wait_s > left_s:
            raise CloudLate("the time ran out on the emulated link")
