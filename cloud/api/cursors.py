"""Cursors: where a page ended, as a word that only means something here."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import replace

from cloud.store.records.port import Position, Selection
from protocol.documents import canonical_bytes, check_text, checked, field, parse_object
from protocol.errors import InvalidInput


def cursor(kind: str, selection: Selection, position: Position) -> str:
    """The word for what follows this place among the records that are selected."""
    content = {"of": _fingerprint(kind, selection), "after": list(position)}
    return base64.urlsafe_b64encode(canonical_bytes(content)).decode().rstrip("=")


def after(kind: str, selection: Selection, word: str) -> Selection:
    """The selection from there on. InvalidInput for a word that was not made here, or for other filters."""
    try:
        content = parse_object(
            base64.b64decode(word + "=" * (-len(word) % 4), altchars=b"-_", validate=True), what="cursor"
        )
        received_at, device, boot, sequence = field(content, "after", list, what="cursor")
        position = (
            float(checked(received_at, float, what="cursor")),
            _text(device),
            _text(boot),
            int(checked(sequence, int, what="cursor")),
        )
    except (binascii.Error, ValueError) as error:
        raise _unknown(word) from error
    if content.get("of") != _fingerprint(kind, selection):
        raise InvalidInput("query 'cursor' was given for other filters; keep them, or begin without one")
    return replace(selection, after=position)


def moment_cursor(at: float, name: str) -> str:
    """The word for what follows what came in `at` and has this name or digest, in a list that is latest first."""
    return f"{at!r},{name}"


def moment(word: str) -> tuple[float, str]:
    """Where a page ended. InvalidInput for a word that `moment_cursor` cannot have made."""
    at, _, name = word.partition(",")
    try:
        return float(at), name
    except ValueError as error:
        raise _unknown(word) from error


def _unknown(word: str) -> InvalidInput:
    return InvalidInput(f"query 'cursor': {word!r:.40} is none that was given here; begin without one")


def _text(value: object) -> str:
    text = str(checked(value, str, what="cursor"))
    check_text(text, what="cursor")
    return text


def _fingerprint(kind: str, selection: Selection) -> str:
    return hashlib.sha256(repr((kind, replace(selection, after=None))).encode()).hexdigest()[:12]
