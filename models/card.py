"""A network's card: a small JSON file beside it that says how its input is scaled and what its outputs mean."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.manifest import Scaling
from protocol.documents import checked, field, parse_object
from protocol.errors import InvalidInput


@dataclass(frozen=True)
class Card:
    """`labels` name the elements of the (first) output."""

    name: str
    scaling: Scaling
    labels: tuple[str, ...]


def read_card(path: Path) -> Card:
    """The card in a file with `input` (scale, offset, layout), and optionally `network` and `labels`; else InvalidInput."""
    try:
        content = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}") from error
    what = str(path)
    card = parse_object(content, what=what)
    labels = field({"labels": [], **card}, "labels", list, what=what)
    return Card(
        name=field({"network": "", **card}, "network", str, what=what),
        scaling=Scaling.from_json(card.get("input"), what=f"{what}: 'input'"),
        labels=tuple(checked(label, str, what=f"{what}: label") for label in labels),
    )
