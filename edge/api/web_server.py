"""The HTTP server under the local API: waitress, with this project's limit and form of errors."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, create_server
from waitress.task import ErrorTask

from edge.requests.turns import stays
from protocol.content_encoding import MAX_BODY_BYTES

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_BUFFER_BYTES = 16 * 1024 * 1024
"""Bodies up to here stay in memory while they arrive, instead of going through a file."""


_GONE = "waitress.client_disconnected"
"""What waitress tells in the environment: whether the caller has hung up."""


def make_server(app: WSGIApplication, listening: socket.socket, *, threads: int) -> BaseWSGIServer:
    """A server of `app` on a bound socket. Bodies over the limit are refused by their header, before they arrive."""
    server = create_server(  # with one socket it makes one server, not several
        app,
        sockets=[listening],
        threads=threads,
        inbuf_overflow=_BUFFER_BYTES,
        outbuf_overflow=_BUFFER_BYTES,
        channel_request_lookahead=1,  # reads on while a request is served, and so learns that its caller has hung up
        max_request_body_size=MAX_BODY_BYTES + 1,  # waitress refuses what is as large as this
    )
    single = cast(BaseWSGIServer, server)
    single.channel_class = _Channel
    return single


def gone(environ: Mapping[str, Any]) -> Callable[[], bool]:
    """Whether the caller of a request has hung up by now. One that has closed its sending half counts as gone, as it does
    everywhere behind waitress; without waitress nobody ever has."""
    known: Callable[[], bool] = environ.get(_GONE, stays)
    return known


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
    error_task_class = _JsonErrorTask
