"""What is answered before the app sees a request, as `{"error": …}` like all other errors."""

from __future__ import annotations

import json
from http import HTTPStatus

from gunicorn.http import errors  # type: ignore[import-untyped]

_STATUSES = (
    (errors.LimitRequestLine, 414),
    (errors.LimitRequestHeaders, 431),
    (errors.ExpectationFailed, 417),
    (errors.UnsupportedTransferCoding, 501),
    (errors.ForbiddenProxyRequest, 403),
    (errors.ParseException, 400),
)


def refusal(status: int, message: str, *, retry_after_s: int = 0, close: bool = True) -> bytes:
    """A whole answer of HTTP/1.1, by default the last one on its connection."""
    body = json.dumps({"error": message}).encode()
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", "Content-Type: application/json"]
    lines += ["Connection: close"] if close else []
    lines += [f"Retry-After: {retry_after_s}"] if retry_after_s else []
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def status_of(error: BaseException) -> int:
    """What gunicorn's parser found wrong, as a status; 500 for all else."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
