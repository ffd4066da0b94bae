"""What all endpoints ask of a request: what its body says."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from flask import g, request
from werkzeug.exceptions import ClientDisconnected

from cloud.access.scopes import Scope
from cloud.api.access import caller
from cloud.front.arrival import ReceivedBody
from cloud.services import services
from protocol.content_encoding import decompress
from protocol.documents import parse_object

MOST_JSON_BYTES = 16 * 1024**2
"""Tensors travel otherwise. What a small body unpacks to is held by each thread that serves one."""


def body(*, limit_bytes: int = MOST_JSON_BYTES) -> bytes:
    """The body, decompressed: at most so much, as it came and unpacked, and within the limit of the settings."""
    limit_bytes = request.max_content_length = min(limit_bytes, services().settings.max_body_bytes)
    with _place_for_it():
        received = request.get_data()
    # Some endpoints take no body at all to mean everything; one that gunicorn could not read whole must not look so.
    if request.content_length is not None and len(received) < request.content_length:
        raise ClientDisconnected
    return bytes(decompress(dict(request.headers), received, limit_bytes=limit_bytes))


def json_object(*, what: str, limit_bytes: int = MOST_JSON_BYTES) -> dict[str, Any]:
    """The body as a JSON object; InvalidInput that names `what` otherwise, TooLarge for one above the limit."""
    return parse_object(body(limit_bytes=limit_bytes), what=what)


def _place_for_it() -> AbstractContextManager[None]:
    """A body that is not here yet takes a thread for as long as its sender likes, of which there are few."""
    here = isinstance(request.environ["wsgi.input"], ReceivedBody)
    if here or "caller" not in g or Scope.WRITE in caller().scopes:
        return nullcontext()
    return services().streamed.one_of(caller().name)
