"""The link between device and cloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from protocol.documents import field
from protocol.errors import InvalidInput


@dataclass(frozen=True)
class Link:
    """Round-trip time in ms, and rates in bytes per ms (1 byte/ms = 8 kbit/s)."""

    rtt_ms: float
    up_bytes_per_ms: float
    down_bytes_per_ms: float

    def __post_init__(self) -> None:
        if self.rtt_ms < 0 or self.up_bytes_per_ms <= 0 or self.down_bytes_per_ms <= 0:
            raise InvalidInput(f"link: times must be 0 or more and rates above 0, not {self}")

    def transfer_ms(self, up_bytes: float, down_bytes: float) -> float:
        """Time that a request and its reply spend on the way."""
        return self.rtt_ms + up_bytes / self.up_bytes_per_ms + down_bytes / self.down_bytes_per_ms

    def to_json(self) -> dict[str, Any]:
        return {
            "rtt_ms": self.rtt_ms,
            "up_bytes_per_ms": self.up_bytes_per_ms,
            "down_bytes_per_ms": self.down_bytes_per_ms,
        }

    @classmethod
    def from_json(cls, content: object, *, what: str = "link") -> Link:
        if not isinstance(content, Mapping):
            raise InvalidInput(f"{what} must be an object with rtt_ms, up_bytes_per_ms and down_bytes_per_ms")
        return cls(**{name: field(content, name, float, what=what) for name in _FIELDS})


_FIELDS = ("rtt_ms", "up_bytes_per_ms", "down_bytes_per_ms")

REFERENCE_LINK = Link(rtt_ms=2.3, up_bytes_per_ms=1024 / 0.0139, down_bytes_per_ms=1024 / 0.0139)
"""The published testbed: transfer ms = 2.3 + 0.0139 x KB, about 589 Mbit/s (DynaSplit, arXiv 2410.23881)."""
