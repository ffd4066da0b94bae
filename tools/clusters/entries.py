"""Parts of a document that may hold no other fields than those that are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from protocol.documents import checked
from protocol.errors import InvalidInput


def numbers(values: Any, *, what: str) -> list[float]:
    """The finite numbers of a list; InvalidInput that names the entry."""
    checked(values, list, what=what)
    return [checked(value, float, what=f"{what}[{index}]") for index, value in enumerate(values)]


def table(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A table of a document, empty where it is left out."""
    table: dict[str, Any] = checked(content.get(name, {}), dict, what=f"'{name}'")
    return table


def known(content: Mapping[str, Any], names: Sequence[str], *, where: str) -> None:
    """InvalidInput for a field that nobody knows: a slip of the pen would else go unseen."""
    if unknown := [name for name in content if name not in names]:
        raise InvalidInput(f"{where}unknown field {unknown[0]!r:.40}; there are {', '.join(names)}")
