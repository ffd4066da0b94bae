"""A connection whose requests are read without ever waiting for the client."""

from __future__ import annotations

import contextlib
import select
import ssl
import time
from collections.abc import Callable
from typing import Any

from gunicorn import http  # type: ignore[import-untyped]
from gunicorn.http.body import LengthReader  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn  # type: ignore[import-untyped]

from cloud.front.arrival import Arrival, ReceivedBody, Stage
from cloud.front.limits import Limits
from cloud.front.paced import Paced

_READ_BYTES = 1 << 16
_HEAD_BYTES = 1 << 12
"""A head is seldom longer; what is read of the body with it is copied once more."""

_REST_S = 0.05
"""What the rest of a body that the app left may take: a thread waits for it."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""What a socket says that does not wait."""


class Connection(TConn):  # type: ignore[misc]
    """gunicorn's connection, with the request that arrives on it."""

    def __init__(self, cfg: Any, sock: Any, client: Any, server: Any, *, tls: ssl.SSLContext | None) -> None:
        super().__init__(cfg, sock, client, server)
        if tls:
            self.sock = tls.wrap_socket(
                sock,
                server_side=True,
                suppress_ragged_eofs=cfg.suppress_ragged_eofs,
                do_handshake_on_connect=False,
            )
        self.initialized = True
        self.parser = http.get_parser(cfg, self.sock, client)
        self.arrival = Arrival(most_body_bytes=0)
        self.began_s = 0.0
        self.arrived_s = 0.0
        self.environ: dict[str, Any] = {}
        self.then: Callable[[Connection], object] = Connection.discard
        self.watched = False
        self._keepalive_s = cfg.keepalive
        self._shaken_hands = tls is None
        self._continued = False

    def begin(self, *, most_body_bytes: int, now_s: float) -> None:
        """Another request begins to arrive, of which some bytes may be here."""
        surplus = self.parser.unreader.take_buffered() + self.arrival.surplus
        self.arrival, self.began_s, self._continued = Arrival(most_body_bytes=most_body_bytes), now_s, False
        if surplus:
            self.arrival.add(surplus)

    def set_timeout(self) -> None:
        """It is kept from now on."""
        self.timeout = time.monotonic() + self._keepalive_s

    def forget(self) -> None:
        """Its request is done with: nothing of that takes memory while the connection stays."""
        self.arrival = Arrival(most_body_bytes=0)
        if isinstance(getattr(self.parser.mesg, "body", None), ReceivedBody):
            self.parser.mesg.body = ReceivedBody(self.arrival.body, self.arrived_s)

    def has_more(self) -> bool:
        """Whether bytes of another request came with the last one; in TLS also such as are decrypted, and no selector sees."""
        decrypted = self.sock.pending() if isinstance(self.sock, ssl.SSLSocket) else 0
        return bool(self.parser.unreader.buf.getvalue() or self.arrival.surplus or decrypted)

    def read(self) -> bool:
        """Takes what is there; False when the client has gone."""
        try:
            if not self._shaken_hands:
                self.sock.do_handshake()
                self._shaken_hands = True
            while self.arrival.stage in (Stage.HEAD, Stage.BODY):
                if not self._read_once():
                    return False
        except WOULD_BLOCK:
            self._continue()
            return True
        except OSError:
            return False
        self.arrived_s = time.perf_counter()
        return True

    def next_request(self, limits: Limits) -> Any:
        """What arrived, as gunicorn's parser reads it. For the thread that serves it, which waits for the client only where
        something is left to be read."""
        arrival = self.arrival
        streamed = arrival.stage is Stage.STREAMED
        self.parser.unreader.sock = Paced(self.sock, limits, began_s=self.began_s) if streamed else self.sock
        self.parser.unreader.unread(bytes(arrival.head))
        if streamed:
            self.sock.settimeout(limits.stall_s)
            self.parser.unreader.buf.seek(0, 2)
            self.parser.unreader.buf.write(arrival.surplus)
            arrival.surplus = b""
            return next(self.parser)
        request = next(self.parser)
        if not self._gave_body(request, arrival):
            self.sock.settimeout(limits.stall_s)
        return request

    def is_read(self) -> bool:
        """Whether nothing is left of the request's body, so that another one can follow."""
        body = self.parser.mesg.body
        if isinstance(body, ReceivedBody):
            body.skip()
            return True
        return bool(self.parser.finish_body(deadline=time.monotonic() + _REST_S))

    def takes_more(self) -> bool:
        """Whether a small answer can be sent without waiting: its reader has taken most of those before."""
        asked = select.poll()
        asked.register(self.sock, select.POLLOUT)
        return bool(asked.poll(0))

    def send(self, answer: bytes) -> None:
        """As much as goes without waiting."""
        with contextlib.suppress(OSError):
            self.sock.send(answer)

    def discard(self) -> bool:
        """Takes what is there and forgets it; False when the client has gone, or nothing more can be said to it."""
        try:
            return bool(self.sock.recv(_READ_BYTES))
        except WOULD_BLOCK:
            return True
        except OSError:
            return False

    def _read_once(self) -> bool:
        if self.arrival.stage is Stage.HEAD:
            data = self.sock.recv(_HEAD_BYTES)
            self.arrival.add(data)
            return bool(data)
        count = self.sock.recv_into(self.arrival.room())
        self.arrival.filled(count)
        return bool(count)

    def _continue(self) -> None:
        if not self._continued and self.arrival.waits_for_continue:
            self._continued = True
            self.send(_CONTINUE)

    def _gave_body(self, request: Any, arrival: Arrival) -> bool:
        """What was read is the body, if the parser thinks so too; otherwise it reads on by itself."""
        reader = getattr(request.body, "reader", None)
        if isinstance(reader, LengthReader) and reader.length == len(arrival.body):
            request.body = ReceivedBody(arrival.body, self.arrived_s)
            if self._continued:
                request._expected_100_continue = False
            return True
        self.parser.unreader.unread(bytes(arrival.body) + arrival.surplus)
        arrival.surplus = b""
        return False
