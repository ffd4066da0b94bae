"""The port on which an ingest process tells how it is: `GET /metrics` for Prometheus, `GET /ready` for probes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from cloud.watching.ingest_metrics import IngestMetrics
from protocol.errors import ServiceMissing


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the standard library
        """Probes come every few seconds."""


def serve(metrics: IngestMetrics, host: str, port: int) -> Callable[[], None]:
    """Answers on a thread of its own, until what is given back is called. ServiceMissing for a port that is taken."""
    try:
        server = make_server(host, port, _app(metrics), _Server6 if ":" in host else _Server, _Silent)
    except OSError as error:
        raise ServiceMissing(f"metrics cannot be told on {host}:{port}: {error.strerror or error}") from error
    thread = threading.Thread(target=server.serve_forever, name="ingest-port", daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop


def _app(metrics: IngestMetrics) -> Callable[..., Iterable[bytes]]:
    told: Callable[..., Iterable[bytes]] = make_wsgi_app(metrics.registry)

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/ready":
            return told(environ, start)
        missing = metrics.missing()
        status = HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK
        start(f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{missing or 'ready'}\n".encode()]

    return answer
