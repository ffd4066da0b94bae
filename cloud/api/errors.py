"""Every error leaves as `{"error": "…"}` with the status that fits."""

from __future__ import annotations

import logging
import math
from functools import partial

from flask import Flask, Response, jsonify
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from werkzeug.exceptions import ClientDisconnected, HTTPException

from cloud.watching.sparing import Sparing
from protocol.errors import DynaSplitError, NotAuthenticated, TryLater

logger = logging.getLogger(__name__)


def register(app: Flask) -> None:
    """Makes the app answer all errors so, its own 404, 405, 413 and 500 included."""
    app.register_error_handler(DynaSplitError, partial(_expected, Sparing(logger)))
    app.register_error_handler(HTTPException, _by_flask)
    app.register_error_handler(ClientDisconnected, _broken_off)
    app.register_error_handler(ParseException, _malformed)
    app.register_error_handler(TimeoutError, _stalled)
    app.register_error_handler(Exception, _unexpected)


def _expected(log: Sparing, error: DynaSplitError) -> Response:
    if error.http_status >= 500:
        level = logging.WARNING if isinstance(error, TryLater) else logging.ERROR
        log.log(level, type(error).__name__, str(error))
    response = _reply(str(error), error.http_status)
    if isinstance(error, TryLater) and error.retry_after_s is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if isinstance(error, NotAuthenticated):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _by_flask(error: HTTPException) -> Response:
    response = _reply(error.description or error.name, error.code or 500)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _broken_off(_error: ClientDisconnected) -> Response:
    return _reply("the request's body broke off before its end; send it again", 400)


def _malformed(error: Exception) -> Response:
    """gunicorn reads a body only when the app does, and then finds that its chunks (RFC 9112, section 7.1) are wrong."""
    return _reply(f"the request's body cannot be read: {error!s:.200}", 400)


def _stalled(_error: TimeoutError) -> Response:
    return _reply("the request's body stopped coming; send it again, faster", 408)


def _unexpected(error: Exception) -> Response:
    logger.error("a request failed", exc_info=error)
    return _reply("the backend failed; its log says why", 500)


def _reply(message: str, status: int) -> Response:
    response = jsonify({"error": message})
    response.status_code = status
    return response
