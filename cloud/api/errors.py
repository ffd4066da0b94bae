"""Every error leaves as `{"error": "…"}` with the status that fits."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as default
from http import HTTPStatus

from flask import Flask, Response
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from werkzeug.exceptions import ClientDisconnected, HTTPException

from cloud.watching.sparing import Sparing
from protocol.errors import DynaSplitError, NotAuthenticated, TryLater

logger = logging.getLogger(__name__)

_OURS = ("content-type", "content-length")


@dataclass(frozen=True)
class Refusal:
    """What is answered in place of what was asked for. `headers`: those that come with this error."""

    message: str
    status: int
    headers: Mapping[str, str] = default(default_factory=dict)

    @property
    def status_line(self) -> str:
        return f"{self.status} {HTTPStatus(self.status).phrase}"

    @property
    def body(self) -> bytes:
        return json.dumps({"error": self.message}).encode()

    @property
    def all_headers(self) -> list[tuple[str, str]]:
        """Those of the body as well."""
        described = [("Content-Type", "application/json"), ("Content-Length", str(len(self.body)))]
        return [*described, *self.headers.items()]


class Refusals:
    """What errors become, and what the log has of them. Thread-safe."""

    def __init__(self) -> None:
        self._log = Sparing(logger)

    def of(self, error: BaseException) -> Refusal:
        """Whatever it is: of what is none of the caller's business only the log tells."""
        match error:
            case DynaSplitError():
                return self._expected(error)
            case ClientDisconnected():
                return Refusal("the request's body broke off before its end; send it again", 400)
            case HTTPException():
                return _by_flask(error)
            case ParseException():
                # gunicorn reads a body only when the app does, and then finds that its chunks (RFC 9112, section 7.1) are wrong.
                return Refusal(f"the request's body cannot be read: {error!s:.200}", 400)
            case TimeoutError():
                return Refusal("the request's body stopped coming; send it again, faster", 408)
        logger.error("a request failed", exc_info=error)
        return Refusal("the backend failed; its log says why", 500)

    def _expected(self, error: DynaSplitError) -> Refusal:
        headers = {}
        if error.http_status >= 500:
            level = logging.WARNING if isinstance(error, TryLater) else logging.ERROR
            self._log.log(level, type(error).__name__, str(error))
        if isinstance(error, TryLater) and error.retry_after_s is not None:
            headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
        if isinstance(error, NotAuthenticated):
            headers["WWW-Authenticate"] = "Bearer"
        return Refusal(str(error), error.http_status, headers)


def register(app: Flask, refusals: Refusals) -> None:
    """Makes the app answer all errors so, its own 404, 405, 413 and 500 included."""

    def refused(error: Exception) -> Response:
        refusal = refusals.of(error)
        return Response(refusal.body, refusal.status, refusal.all_headers)

    for kind in (DynaSplitError, HTTPException, Exception):
        app.register_error_handler(kind, refused)


def _by_flask(error: HTTPException) -> Refusal:
    headers = {name: value for name, value in error.get_headers() if name.lower() not in _OURS}
    return Refusal(error.description or error.name, error.code or 500, headers)
