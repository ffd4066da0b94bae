"""JSON columns, as they are written."""

from __future__ import annotations

import json
from typing import Any

import orjson


def json_text(value: Any) -> str:
    """A JSON value as text, ten times as fast as the standard library; that one writes what the fast one refuses: integers
    beyond 64 bits."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value)
