"""Many records as JSON lines, sent while they are read."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Response


def json_lines(contents: Iterator[Mapping[str, Any]]) -> Response:
    """A reply with one object per line. The first is read at once, so that a store that is away still answers 503."""
    first = next(contents, None)
    found = iter(()) if first is None else itertools.chain((first,), contents)
    return Response((_line(content) for content in found), mimetype="application/x-ndjson")


def _line(content: Mapping[str, Any]) -> str:
    """ASCII only: half a surrogate pair in a device's text must not end the whole list."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n"
