"""JSON documents with a schema number, a canonical form and a digest."""

from __future__ import annotations

import codecs
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from protocol.errors import InvalidInput

_TYPE_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "true or false",
    int: "an integer",
    float: "a number",
}

_MAX_DEPTH = 64
_CONTAINERS = (dict, list, tuple)
_INTEGERS = range(-(2**63), 2**63)
_SUSPECT = re.compile(r"[\ud800-\udfff]|\\u(?:0000|[dD][89a-fA-F])")
"""What text with a lone surrogate or NUL must hold; most that hold it are in order (an escaped emoji), so look closer."""


class _NotFinite(ValueError):
    """A number that is none, as it stands in the text."""


def _refuse(constant: str) -> float:
    raise _NotFinite(constant)


def _finite(digits: str) -> float:
    return value if math.isfinite(value := float(digits)) else _refuse(digits)


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)
"""Made once: `json.dumps` and `json.loads` make one a call, which takes longer than a record does."""


def canonical_bytes(content: Any) -> bytes:
    """The one byte form of a JSON value: sorted keys, no spaces, UTF-8. What `parse_object` refuses within a value is refused."""
    try:
        text = _ENCODER.encode(content)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"not a JSON value: {error}") from error
    _check_inside(content, text, what="a JSON value")
    return text.encode()


def digest_of(content: Any) -> str:
    """The sha256 of the canonical form, in lower-case hexadecimal."""
    return hashlib.sha256(canonical_bytes(content)).hexdigest()


def parse_object(text: str | bytes, *, what: str) -> dict[str, Any]:
    """A JSON object from text (UTF-8); anything else raises InvalidInput that names `what`.

    Also refused: numbers that are not finite, text that is not Unicode or holds NUL (no database keeps it), and more than
    64 levels of nesting, so that whatever was read can be written again.
    """
    try:
        text = text if isinstance(text, str) else text.removeprefix(codecs.BOM_UTF8).decode()
        content = _DECODER.decode(text)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InvalidInput(f"{what} is not valid JSON: {error}") from error
    except RecursionError as error:
        raise InvalidInput(f"{what} is nested too deeply") from error
    except _NotFinite as error:
        raise InvalidInput(f"{what}: {error!s:.40} is not a finite JSON number") from error
    except ValueError as error:  # Python reads no integer of more than 4300 digits
        raise InvalidInput(f"{what} holds an integer of more digits than are read (4300)") from error
    if not isinstance(content, dict):
        raise InvalidInput(f"{what} must be a JSON object, not {_TYPE_NAMES.get(type(content), 'null')}")
    _check_inside(content, text, what=what)
    return content


def _check_inside(content: Any, text: str, *, what: str) -> None:
    """InvalidInput for bad text and for deep nesting in a value; looks only where its JSON text gives cause to."""
    if text.count("[") + text.count("{") > _MAX_DEPTH and _is_deep(content):
        raise InvalidInput(f"{what} is nested too deeply, more than {_MAX_DEPTH} levels")
    if ("\\u" in text or not text.isascii()) and _SUSPECT.search(text):
        _check_texts(content, what=what)


def _is_deep(content: Any) -> bool:
    """Looks at objects and lists alone, level by level: in a batch of telemetry that is one value in ten."""
    level = [content]
    for _ in range(_MAX_DEPTH):
        level = [inner for value in level for inner in _values(value) if isinstance(inner, _CONTAINERS)]
    return bool(level)


def _values(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()


def _check_texts(content: Any, *, what: str) -> None:
    """InvalidInput for bad text in a value that is not deep."""
    level = [content]
    while level:
        for value in level:
            if isinstance(value, str):
                check_text(value, what=what)
        level = [inner for value in level for inner in _inside(value)]


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return (*value, *value.values())
    return value if isinstance(value, list | tuple) else ()


def check_text(text: str, *, what: str) -> None:
    """InvalidInput for what UTF-8 or a database cannot hold: lone surrogates, and NUL."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"{what}: {text!r:.60} is not Unicode text: it holds a lone surrogate") from error
    if "\0" in text:
        raise InvalidInput(f"{what}: {text!r:.60} holds the character NUL; leave it out")


def check_schema(content: Mapping[str, Any], *, current: int, what: str) -> int:
    """The document's schema number. The current one and the one before are read; newer ones are refused by number."""
    schema: int = field(content, "schema", int, what=what)
    if schema > current:
        raise InvalidInput(f"{what} has schema {schema}, newer than {current}: update DynaSplit here")
    if schema < max(1, current - 1):
        raise InvalidInput(f"{what} has schema {schema}, too old to read: make it again")
    return schema


def field(content: Mapping[str, Any], name: str, kind: type, *, what: str) -> Any:
    """The value of a field, checked to be of a kind; integers serve as numbers, booleans never do."""
    if name not in content:
        raise InvalidInput(f"{what} lacks '{name}'")
    value = content[name]
    return value if _plainly(kind, value) else checked(value, kind, what=f"{what}: '{name}'")


def _plainly(kind: type, value: Any) -> bool:
    """Whether a value is beyond doubt of a kind, as nearly all are: then nobody needs to be told which one it was."""
    if kind is float:
        return type(value) is float and math.isfinite(value)
    if kind is int:
        return type(value) is int and value in _INTEGERS
    if kind is str:
        return type(value) is str and value.isascii() and "\0" not in value
    return type(value) is kind


def checked(value: Any, kind: type, *, what: str) -> Any:
    """`value` when it is of `kind`, else InvalidInput. Floats must be finite, integers fit 64 bits, text be Unicode without NUL."""
    if _plainly(kind, value):
        return value
    if kind in (int, float) and isinstance(value, int) and not isinstance(value, bool):
        value = kind(_within_64_bits(value, what=what))
    if not isinstance(value, kind) or (kind in (int, float) and isinstance(value, bool)):
        raise InvalidInput(f"{what} must be {_TYPE_NAMES.get(kind, kind.__name__)}, not {value!r:.60}")
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(f"{what} must be a finite number, not {value}")
    if isinstance(value, str):
        check_text(value, what=what)
    return value


def _within_64_bits(value: int, *, what: str) -> int:
    """What databases and numpy hold; a float could not even be made of one with some hundred digits."""
    if value not in _INTEGERS:
        raise InvalidInput(f"{what} is out of range: an integer must fit 64 bits")
    return value
