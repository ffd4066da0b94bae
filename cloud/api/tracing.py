"""Each request has an id, which its answer, its log lines and its record share; what became of it is one line at DEBUG."""

from __future__ import annotations

import logging
import time

from flask import Flask, Response, g, request

from cloud.services import services
from cloud.watching.logs import REQUEST, facts
from protocol.request_ids import REQUEST_ID, known_or_new

logger = logging.getLogger(__name__)


def register(app: Flask) -> None:
    """Call it before anything else looks at requests: what those refuse has an id, too."""
    app.before_request(_begin)
    app.after_request(_answered)
    app.teardown_request(_end)


def _begin() -> None:
    g.began_s = time.perf_counter()
    g.request_id = known_or_new(request.headers.get(REQUEST_ID))
    REQUEST.set(g.request_id)


def _answered(response: Response) -> Response:
    response.headers[REQUEST_ID] = g.request_id
    services().metrics.answered(request.endpoint or "none", response.status_code)
    if logger.isEnabledFor(logging.DEBUG):
        ms = (time.perf_counter() - g.began_s) * 1e3
        status, values = response.status_code, request.view_args or {}
        told = facts(
            status=status,
            ms=round(ms, 3),
            caller=caller.name if (caller := g.get("caller")) else None,
            network=values.get("network"),
            device=values.get("device"),
            cut=g.get("cut"),
        )
        # Not the query: it is the caller's, and may hold anything.
        logger.debug("%s %s: %d in %.1f ms", request.method, request.path, status, ms, extra=told)
    return response


def _end(_error: BaseException | None) -> None:
    """Threads serve many requests: what comes after this one is not about it."""
    REQUEST.set("")
