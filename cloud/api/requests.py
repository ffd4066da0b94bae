"""What all endpoints ask of a request: what its body or query says."""

from __future__ import annotations

import math
from typing import Any

from flask import request
from werkzeug.exceptions import ClientDisconnected

from cloud.services import services
from protocol.content_encoding import decompress
from protocol.documents import check_text, parse_object
from protocol.errors import InvalidInput


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


def query(name: str) -> str | None:
    """A value of the query string; None when it is missing or empty, InvalidInput for text that no store can hold."""
    text = request.args.get(name) or None
    if text is not None:
        check_text(text, what=f"query '{name}'")
    return text


def query_count(name: str) -> int | None:
    """A value of the query string that is 1 or more."""
    text = query(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**31):
        raise InvalidInput(f"query '{name}' must be a whole number of 1 or more, not {text!r:.40}")
    return int(text)


def query_number(name: str) -> float | None:
    """A value of the query string that is a finite number."""
    text = query(name)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InvalidInput(f"query '{name}' must be a number, not {text!r:.40}")
    return number
