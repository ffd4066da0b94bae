"""Each request has an id, which its answer, its log lines and its record share; what became of it is one line at DEBUG."""

from __future__ import annotations

import logging
import time
from typing import Any

from flask import Flask, Response, g, request

from cloud.services import services
from cloud.watching.logs import REQUEST, facts
from protocol.request_ids import REQUEST_ID, known_or_new

logger = logging.getLogger(__name__)


def register(app: Flask) -> None:
    """Call it before anything else looks at requests: what those refuse has an id, too."""
    app.before_request(_begin)
    app.after_request(_answered)
    app.teardown_request(end)


def begin(given: str | None) -> str:
    """The id of the request that this thread works on from now on: as its caller has it, or a new one."""
    request_id = known_or_new(given)
    REQUEST.set(request_id)
    return request_id


def tell(method: str, path: str, status: int, *, ms: float, **about: Any) -> None:
    """What became of a request."""
    if logger.isEnabledFor(logging.DEBUG):
        told = facts(status=status, ms=round(ms, 3), **about)
        # Not the query: it is the caller's, and may hold anything.
        logger.debug("%s %s: %d in %.1f ms", method, path, status, ms, extra=told)


def end(_error: BaseException | None = None) -> None:
    """Threads serve many requests: what comes after this one is not about it."""
    REQUEST.set("")


def _begin() -> None:
    g.began_s = time.perf_counter()
    g.request_id = begin(request.headers.get(REQUEST_ID))


def _answered(response: Response) -> Response:
    response.headers[REQUEST_ID] = g.request_id
    services().metrics.answered(request.endpoint or "none", response.status_code)
    values, known = request.view_args or {}, g.get("caller")
    tell(
        request.method,
        request.path,
        response.status_code,
        ms=(time.perf_counter() - g.began_s) * 1e3,
        caller=known.name if known else None,
        network=values.get("network"),
        device=values.get("device"),
    )
    return response
