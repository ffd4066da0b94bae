"""A network's card: a small JSON file beside it that says how its input is scaled and what its outputs mean."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.manifest import Scaling
from protocol.documents import checked, field, parse_object
from protocol.errors import InvalidInput
from protocol.files import open_regular, read_regular


@dataclass(frozen=True)
class Card:
    """`labels` name the elements of the (first) output; `sha256` is that of the network's file, '' where it is not told."""

    name: str
    scaling: Scaling
    labels: tuple[str, ...]
    sha256: str = ""


def read_card(path: Path) -> Card:
    """The card in a file with `input` (scale, offset, layout), and optionally `network`, `labels`, `sha256`.

    InvalidInput where it is none.
    """
    try:
        content = read_regular(path).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InvalidInput(f"{path} cannot be read: {reason}") from error
    what = str(path)
    card = parse_object(content, what=what)
    labels = field({"labels": [], **card}, "labels", list, what=what)
    return Card(
        name=field({"network": "", **card}, "network", str, what=what),
        scaling=_scaling(card, what),
        labels=tuple(checked(label, str, what=f"{what}: label") for label in labels),
        sha256=field({"sha256": "", **card}, "sha256", str, what=what),
    )


def _scaling(card: Mapping[str, Any], what: str) -> Scaling:
    entry = field(card, "input", dict, what=what)
    try:
        return Scaling.from_json(entry, what="'input'")
    except InvalidInput as error:
        raise InvalidInput(f"{what}: {error}") from error


def card_path(network: Path) -> Path:
    """Where the card of `NET.tflite` lies when it lies beside it: `NET.card.json`."""
    return network.with_suffix(".card.json")


def card_of(network: Path) -> Card:
    """The card that lies beside the network, or one that says nothing where there is none.

    InvalidInput where it is damaged, or tells of another file.
    """
    path = card_path(network)
    if not path.is_file() or not network.is_file():
        return Card("", Scaling(), ())
    card = read_card(path)
    if card.sha256 and card.sha256 != _digest(network):
        raise InvalidInput(f"{path} tells of another file than {network}; give --card CARD.json, or take it away")
    return card


def _digest(path: Path) -> str:
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
