"""What all endpoints ask of a request: what its body says."""

from __future__ import annotations

from typing import Any

from flask import request
from werkzeug.exceptions import ClientDisconnected

from cloud.services import services
from protocol.content_encoding import decompress
from protocol.documents import parse_object


def body() -> bytes:
    """The body, decompressed, within the limit of the settings."""
    received = request.get_data()
    # Some endpoints take no body at all to mean everything; one that gunicorn could not read whole must not look so.
    if request.content_length is not None and len(received) < request.content_length:
        raise ClientDisconnected
    return bytes(decompress(dict(request.headers), received, limit_bytes=services().settings.max_body_bytes))


def json_object(*, what: str) -> dict[str, Any]:
    """The body as a JSON object; InvalidInput that names `what` otherwise."""
    return parse_object(body(), what=what)
