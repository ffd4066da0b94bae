"""Labels of devices, `key=value`: what an operator gathers devices by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from protocol.errors import InvalidInput
from protocol.topics import check_name

MOST = 32
"""Of one device."""


def check_labels(labels: Mapping[str, object]) -> dict[str, str]:
    """The labels of one device; InvalidInput unless keys and values are names as devices have, and not too many."""
    if len(labels) > MOST:
        raise InvalidInput(f"a device may have {MOST} labels, not {len(labels)}")
    checked = {}
    for key, value in labels.items():
        if not isinstance(value, str):
            raise InvalidInput(f"label {key!r:.80} must have a text as its value, not {value!r:.40}")
        checked[check_name(key, what="label")] = check_name(value, what=f"the value of label {key!r:.80}")
    return checked


def parse_labels(texts: Iterable[str]) -> dict[str, str]:
    """`key=value`, each; InvalidInput for what is none, and where one key is wanted with two values."""
    labels: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise InvalidInput(f"label {text!r:.80} must be key=value")
        if labels.setdefault(key, value) != value:
            raise InvalidInput(f"label {key!r:.80} cannot be both {labels[key]!r:.80} and {value!r:.80}")
    return check_labels(labels)
