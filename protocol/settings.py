"""Settings of a process: a frozen dataclass, filled from TOML, then from the environment, validated once."""

from __future__ import annotations

import dataclasses
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from protocol.documents import checked
from protocol.errors import InvalidInput
from protocol.files import read_regular

Settings = TypeVar("Settings")

PREFIX = "DYNASPLIT_"


def load(kind: type[Settings], *, toml: Path | None, environment: Mapping[str, str]) -> Settings:
    """An instance of the dataclass `kind`: defaults, then the TOML file, then `DYNASPLIT_<FIELD>` variables.

    Unknown TOML keys, values of the wrong type and missing required fields raise InvalidInput that names the setting. Fields may be
    str, int, float, bool, Path, or one of these or None. The class validates ranges in `__post_init__`.
    """
    hints = typing.get_type_hints(kind)
    fields = {item.name: hints[item.name] for item in dataclasses.fields(kind)}  # type: ignore[arg-type]
    values = _from_toml(toml, fields) if toml else {}
    for name, hint in fields.items():
        if (text := environment.get(PREFIX + name.upper())) is not None:
            values[name] = _from_text(text, hint, what=PREFIX + name.upper())
    required = [item.name for item in dataclasses.fields(kind) if _is_required(item)]  # type: ignore[arg-type]
    if missing := [name for name in required if name not in values]:
        where = f"it in {toml}, or " if toml else ""
        raise InvalidInput(f"setting '{missing[0]}' is missing: set {where}{PREFIX}{missing[0].upper()}")
    return kind(**values)


def _is_required(item: dataclasses.Field[Any]) -> bool:
    return item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING


def _from_toml(path: Path, fields: Mapping[str, Any]) -> dict[str, Any]:
    try:
        content = tomllib.loads(read_regular(path).decode())
    except OSError as error:
        raise InvalidInput(f"settings file {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # also integers of more than 4300 digits
        raise InvalidInput(f"settings file {path} is not valid TOML: {error}") from error
    if unknown := [name for name in content if name not in fields]:
        raise InvalidInput(f"settings file {path}: unknown setting '{unknown[0]}'; there are {', '.join(fields)}")
    return {
        name: _checked(value, fields[name], what=f"settings file {path}: '{name}'") for name, value in content.items()
    }


def _kinds(hint: Any) -> tuple[type, ...]:
    return tuple(kind for kind in typing.get_args(hint) or (hint,) if kind is not type(None))


def _checked(value: Any, hint: Any, *, what: str) -> Any:
    kind = _kinds(hint)[0]
    if kind is Path:
        return _path(checked(value, str, what=what), what=what)
    return checked(value, kind, what=what)


def _path(text: str, *, what: str) -> Path:
    """Not an empty one, which would be whatever folder the process was started in."""
    if not text.strip():
        raise InvalidInput(f"{what} is empty: name a path, or leave it out")
    return Path(text)


def _from_text(text: str, hint: Any, *, what: str) -> Any:
    kind = _kinds(hint)[0]
    if kind is bool:
        if text.lower() not in _BOOLEANS:
            raise InvalidInput(f"{what} must be true or false, not {text!r:.40}")
        return _BOOLEANS[text.lower()]
    if kind is Path:
        return _path(text, what=what)
    try:
        return checked(kind(text), kind, what=what)
    except ValueError as error:
        raise InvalidInput(f"{what} must be of type {kind.__name__}, not {text!r:.40}") from error


_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
