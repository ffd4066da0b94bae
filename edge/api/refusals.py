"""What the API refuses, as all callers get it: `{"error": …}` with the status that tells whose fault it is."""

from __future__ import annotations

import hmac
import json
import logging

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from protocol.errors import DynaSplitError, NotAuthenticated

logger = logging.getLogger(__name__)

_TEMPORARY = (429, 503)
_RETRY_AFTER_S = "1"
"""In seconds, as RFC 9110 (section 10.2.3) has it: a full queue is shorter and a lost runner back by then."""


def refusal(error: Exception) -> Response:
    """The answer to a request that failed; what nobody expected is logged with its traceback."""
    if isinstance(error, DynaSplitError):
        return _expected(error)
    if isinstance(error, HTTPException):
        return _by_http(error)
    logger.error("a request failed", exc_info=error)
    return failure()


def failure() -> Response:
    """The answer where something went wrong that nobody expected."""
    return _answer("the agent failed; its log says why", 500)


def is_operator(authorization: str, token: str) -> bool:
    """Whether the operator asks. Local applications need no token, but a wrong one is refused (NotAuthenticated)."""
    if not authorization:
        return False
    scheme, _, given = authorization.strip().partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(
        given.strip().encode("utf-8", "surrogateescape"), token.encode()
    ):
        raise NotAuthenticated("this is not the operator's token of this device; leave Authorization out for plain use")
    return True


def _expected(error: DynaSplitError) -> Response:
    logger.debug("refused: %s: %s", type(error).__name__, error)
    response = _answer(str(error), error.http_status)
    if isinstance(error, NotAuthenticated):
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.http_status in _TEMPORARY:
        response.headers["Retry-After"] = _RETRY_AFTER_S
    return response


def _by_http(error: HTTPException) -> Response:
    response = _answer(error.description or error.name, error.code or 500)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _answer(message: str, status: int) -> Response:
    return Response(json.dumps({"error": message}), status, content_type="application/json")
