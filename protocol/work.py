"""Work: what a range of operators asks of a processor, and what a bundle can tell a board about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from protocol.documents import checked
from protocol.errors import InvalidInput


@dataclass(frozen=True)
class Work:
    """Multiply-accumulates by `kind/dtype` (such as `conv/int8`, `dense/float32`) and bytes moved.

    `weight_bytes` are constants read once, `activation_bytes` are tensors read or written between operators.
    """

    macs: Mapping[str, int] = field(default_factory=dict)
    weight_bytes: int = 0
    activation_bytes: int = 0
    operators: int = 0

    def __add__(self, other: Work) -> Work:
        macs = dict(self.macs)
        for key, count in other.macs.items():
            macs[key] = macs.get(key, 0) + count
        return Work(
            macs=macs,
            weight_bytes=self.weight_bytes + other.weight_bytes,
            activation_bytes=self.activation_bytes + other.activation_bytes,
            operators=self.operators + other.operators,
        )

    @property
    def total_macs(self) -> int:
        """Multiply-accumulates of all kinds."""
        return sum(self.macs.values())

    @property
    def moved_bytes(self) -> int:
        """Weights and activations together."""
        return self.weight_bytes + self.activation_bytes

    def to_json(self) -> dict[str, Any]:
        return {
            "macs": dict(self.macs),
            "weight_bytes": self.weight_bytes,
            "activation_bytes": self.activation_bytes,
            "operators": self.operators,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Work:
        macs = content.get("macs")
        if not isinstance(macs, Mapping):
            raise InvalidInput("work: 'macs' must be an object of counts by kind/dtype")
        counts = {name: checked(content.get(name, 0), int, what=f"work: '{name}'") for name in _COUNTS}
        return cls(
            macs={key: checked(value, int, what=f"work: macs of {key}") for key, value in macs.items()}, **counts
        )


_COUNTS = ("weight_bytes", "activation_bytes", "operators")


def total(parts: Iterable[Work]) -> Work:
    """The sum of many pieces of work."""
    result = Work()
    for part in parts:
        result = result + part
    return result
