"""The HTTP server under the local API: waitress, with this project's limit and form of errors."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, cast

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import BaseWSGIServer, create_server
from waitress.task import ErrorTask, WSGITask

from edge.requests.turns import stays
from protocol.content_encoding import MAX_BODY_BYTES

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

logger = logging.getLogger(__name__)

_BUFFER_BYTES = 16 * 1024 * 1024
"""Bodies up to here stay in memory while they arrive, instead of going through a file."""


_RECEIVED_BYTES = 1 << 17
"""At once: a whole image is there within a few steps."""

_GONE = "waitress.client_disconnected"
"""What waitress tells in the environment: whether the caller has hung up."""

_ARRIVED = "dynasplit.arrived_s"
"""What we tell there: when the request's last byte was there, on the clock of `time.monotonic`."""

_SMALL_BYTES = 1 << 16
"""Up to here copying a body behind its head costs less than sending it by itself."""


_MOST_CONNECTIONS = 256
"""Kept open. Far below the files that a process may have open (1024, getrlimit(2)), and far above what a device's callers need."""

_WITHIN = ("localhost", None)
"""Where a connection comes from that the process has to itself: it goes for no caller's sake."""

_LAST_ANSWERS_S = 15.0
"""How long an end waits for those who have asked. All else takes some seconds, and a unit's TimeoutStopSec is 30."""


def make_server(app: WSGIApplication, listening: socket.socket, *, threads: int) -> BaseWSGIServer:
    """A server of `app` on a bound socket. Bodies over the limit are refused by their header, before they arrive.

    Connections without a request never keep others out: beyond `_MOST_CONNECTIONS` those go that were quiet the longest.
    """
    server = create_server(  # with one socket it makes one server, not several
        app,
        sockets=[listening],
        threads=threads,
        recv_bytes=_RECEIVED_BYTES,
        inbuf_overflow=_BUFFER_BYTES,
        outbuf_overflow=_BUFFER_BYTES,
        connection_limit=2 * _MOST_CONNECTIONS,  # of those that wait for an answer, which are not let go
        asyncore_use_poll=True,  # select(2) takes no descriptor above 1023
        channel_request_lookahead=1,  # reads on while a request is served, and so learns that its caller has hung up
        max_request_body_size=MAX_BODY_BYTES + 1,  # waitress refuses what is as large as this
    )
    # It warns of each request that has to wait; what is refused stands in the records.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    single = cast(BaseWSGIServer, server)
    single.channel_class = _Channel
    cast(Any, single).ending = False
    return single


def serve(server: BaseWSGIServer, *, ending: Callable[[], None]) -> None:
    """Serves until it is interrupted; then calls `ending`, takes nobody in any more, and answers those who have asked."""
    try:
        _loop(server)
    except KeyboardInterrupt:
        ending()
        _answer_the_rest(server)
        server.task_dispatcher.shutdown(timeout=1)


def _loop(server: BaseWSGIServer, *, count: int | None = None) -> None:
    inner = cast(Any, server)
    wasyncore.loop(inner.adj.asyncore_loop_timeout, inner.adj.asyncore_use_poll, inner._map, count)


def _answer_the_rest(server: BaseWSGIServer) -> None:
    inner, end_s = cast(Any, server), time.monotonic() + _LAST_ANSWERS_S
    inner.accepting, inner.ending = False, True
    while any(each.requests or each.total_outbufs_len for each in list(inner.active_channels.values())):
        if time.monotonic() >= end_s:
            logger.warning("some requests are left unanswered: they took longer than %.0f s", _LAST_ANSWERS_S)
            break
        _loop(server, count=1)


def connection_within(server: BaseWSGIServer) -> socket.socket:
    """A connection to a server that takes no place among its callers', from within the process; OSError once it has ended."""
    ours, its = socket.socketpair()
    loop = cast(Any, server)

    def begin() -> None:
        loop.channel_class(server, its, _WITHIN, loop.adj, map=loop._map)

    try:
        loop.trigger.pull_trigger(begin)
    except OSError:
        ours.close()
        its.close()
        raise
    return ours


def gone(environ: Mapping[str, Any]) -> Callable[[], bool]:
    """Whether the caller of a request has hung up by now. One that has closed its sending half counts as gone, as it does
    everywhere behind waitress; without waitress nobody ever has."""
    known: Callable[[], bool] = environ.get(_GONE, stays)
    return known


def waited_s(environ: Mapping[str, Any]) -> float:
    """How long ago a request's last byte was there, in seconds; 0 without this server."""
    arrived_s: float | None = environ.get(_ARRIVED)
    return 0.0 if arrived_s is None else time.monotonic() - arrived_s


class _Parser(HTTPRequestParser):
    """Notes when a request is complete."""

    arrived_s = 0.0

    def received(self, data: bytes) -> int:
        taken: int = super().received(data)
        if self.completed:
            self.arrived_s = time.monotonic()
        return taken


class _Task(WSGITask):
    """Sends a small answer's head and body together: one call of the kernel, and one wake-up of the caller."""

    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        environ[_ARRIVED] = cast(_Parser, self.request).arrived_s
        return environ

    def write(self, data: bytes) -> None:
        whole = bool(data) and self.content_length == len(data) <= _SMALL_BYTES
        if not whole or self.wrote_header or not self.complete or not self.has_body:
            super().write(data)
            return
        head = self.build_response_header()
        self.wrote_header, self.content_bytes_written = True, len(data)
        self.channel.write_soon(head + data)


class _JsonErrorTask(ErrorTask):
    """What the server refuses before the app sees it, as `{"error": …}` like all other errors."""

    def execute(self) -> None:
        error = cast(Any, self.request).error
        body = json.dumps({"error": f"{error.reason}: {error.body}"}).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers = [("Content-Type", "application/json")]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):
    parser_class = _Parser
    task_class = _Task
    error_task_class = _JsonErrorTask

    def __init__(self, server: BaseWSGIServer, *arguments: Any, **more: Any) -> None:
        super().__init__(server, *arguments, **more)
        channels: Mapping[int, HTTPChannel] = cast(Any, server).active_channels
        over = len(channels) - _MOST_CONNECTIONS
        if over > 0:
            _let_go(over, [each for each in channels.values() if each is not self and each.addr != _WITHIN])

    def readable(self) -> bool:
        """At the end what has begun to arrive is read on, and nothing else."""
        return bool(super().readable()) and (not cast(Any, self.server).ending or self.request is not None)


def _let_go(count: int, channels: Collection[HTTPChannel]) -> None:
    """Closes so many that wait for no answer, those that were quiet the longest first."""
    for channel in sorted((each for each in channels if not each.requests), key=_last_activity)[:count]:
        channel.will_close = True


def _last_activity(channel: HTTPChannel) -> float:
    return float(channel.last_activity)
