"""Which part of a file is asked for, as RFC 9110 (14.2) has it: what cannot be understood is left out, not refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.http import is_resource_modified, parse_range_header

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_RANGE = "HTTP_RANGE"


def understood(environ: WSGIEnvironment, *, etag: str, size: int) -> WSGIEnvironment:
    """The request for a file of `size` bytes as werkzeug can serve it: without a range that is to be ignored.

    That is one behind conditions that decide without it (304, 412), one that cannot be read, in another unit, or several at
    once. An end that is longer than the file is all of it.
    """
    asked = environ.get(_RANGE, "") if is_resource_modified(environ, etag=etag) else ""
    wanted = _one_part(asked, size)
    rest = {key: value for key, value in environ.items() if key != _RANGE}
    return {**rest, _RANGE: wanted} if wanted else rest


def _one_part(asked: str, size: int) -> str:
    parsed = parse_range_header(asked)
    if parsed is None or parsed.units != "bytes" or len(parsed.ranges) != 1:
        return ""
    first, _ = parsed.ranges[0]
    return "bytes=0-" if -first > size else asked
