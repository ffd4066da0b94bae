"""Request ids: one name for a request in the logs of device and cloud, and in its record."""

from __future__ import annotations

import os
import re

REQUEST_ID = "X-Request-Id"
"""The header that carries it, there and back."""

_SAFE = re.compile(r"[A-Za-z0-9._:+=/-]{1,64}")
_CHANCE_BYTES = 8


def new_request_id() -> str:
    """One that nobody else has: 64 bits of chance in hexadecimal."""
    return os.urandom(_CHANCE_BYTES).hex()


def known_or_new(given: str | None) -> str:
    """What the caller calls the request; a new id where it gives none, or one that no log should hold."""
    return given if given and is_request_id(given) else new_request_id()


def is_request_id(text: str) -> bool:
    """Whether it is 1 to 64 characters that need no quoting anywhere."""
    return _SAFE.fullmatch(text) is not None
