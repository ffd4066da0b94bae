"""The table: the configurations worth using for one network on one device, with the parts of their costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from dataclasses import field as default
from functools import cached_property
from typing import Any

from protocol.configuration import Configuration, Provenance
from protocol.documents import check_schema, checked, digest_of, field
from protocol.errors import InvalidInput
from protocol.link import Link
from protocol.measurement import provenance_from_json

SCHEMA = 2
"""Schema 2 is for rows that say how uncertain they are; a table without any is written as schema 1, and keeps its digest."""


@dataclass(frozen=True)
class Row:
    """A configuration with the parts of its cost, from which latency and energy follow for any link and account.

    `head_ms` and `head_mj`: the work on the device. `wait_w`: what the device draws while it waits for the cloud.
    `cloud_node_mj`, `cloud_active_mj` (None: unknown): the tail, for the whole node and above idle. `accuracy`: None
    where nobody evaluated it. An edge-only row has no bytes and no cloud time.

    `uncertainty`: by figure, as in `provenance`, the relative standard deviation of what one more measurement would say,
    where the figure is a prediction that knows it.
    """

    configuration: Configuration
    head_ms: float
    head_mj: float
    wait_w: float
    up_bytes: int
    down_bytes: int
    cloud_ms: float
    cloud_node_mj: float
    cloud_active_mj: float | None
    accuracy: float | None
    provenance: Mapping[str, Provenance] = default(default_factory=dict)
    uncertainty: Mapping[str, float] = default(default_factory=dict)

    def __post_init__(self) -> None:
        for name in (*_NUMBERS, *_COUNTS):
            if not getattr(self, name) >= 0:
                raise InvalidInput(f"row: {name} must be 0 or more, not {getattr(self, name)}")
        for name, share in self.uncertainty.items():
            if not 0 <= share < math.inf:
                raise InvalidInput(f"row: the uncertainty of {name} must be 0 or more, not {share}")

    @property
    def uses_cloud(self) -> bool:
        """Whether anything is sent: an edge-only row sends nothing."""
        return self.up_bytes > 0

    def to_json(self) -> dict[str, Any]:
        content = {
            "configuration": self.configuration.to_json(),
            **{name: getattr(self, name) for name in (*_NUMBERS, *_COUNTS, "cloud_active_mj", "accuracy")},
            "provenance": {name: kind.value for name, kind in self.provenance.items()},
        }
        return content | ({"uncertainty": dict(self.uncertainty)} if self.uncertainty else {})

    @classmethod
    def from_json(cls, content: object, *, what: str = "row") -> Row:
        if not isinstance(content, Mapping):
            raise InvalidInput(f"{what} must be an object")
        optional: dict[str, Any] = {
            name: None if content.get(name) is None else checked(content[name], float, what=f"{what}: '{name}'")
            for name in ("cloud_active_mj", "accuracy")
        }
        return cls(
            configuration=Configuration.from_json(content.get("configuration"), what=f"{what}: configuration"),
            provenance=provenance_from_json(content.get("provenance", {}), what=what),
            uncertainty=_uncertainty(content.get("uncertainty", {}), what=what),
            **{name: field(content, name, float, what=what) for name in _NUMBERS},
            **{name: field(content, name, int, what=what) for name in _COUNTS},
            **optional,
        )


def _uncertainty(content: object, *, what: str) -> dict[str, float]:
    if not isinstance(content, Mapping):
        raise InvalidInput(f"{what}: 'uncertainty' must be an object")
    return {str(name): checked(share, float, what=f"{what}: uncertainty of {name}") for name, share in content.items()}


_NUMBERS = ("head_ms", "head_mj", "wait_w", "cloud_ms", "cloud_node_mj")
_COUNTS = ("up_bytes", "down_bytes")


@dataclass(frozen=True)
class Table:
    """Rows for one network (one bundle) on one device. `version` only grows; 0 is an unsigned draft.

    `link` is the link at the time of profiling, used until the agent has seen traffic of its own.
    """

    network: str
    bundle: str
    device: str
    link: Link
    rows: tuple[Row, ...]
    version: int = 0

    def __post_init__(self) -> None:
        if not self.rows:
            raise InvalidInput("table: a table needs at least one row")
        if self.version < 0:
            raise InvalidInput(f"table: version must be 0 or more, not {self.version}")

    @cached_property
    def digest(self) -> str:
        """The sha256 of the canonical content, the table's identity."""
        return digest_of(self.to_json())

    @cached_property
    def content_digest(self) -> str:
        """What tables of several devices and versions share that differ in nothing else."""
        return digest_of({**self.to_json(), "device": "", "version": 0})

    def with_version(self, version: int) -> Table:
        return replace(self, version=version)

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA if any(row.uncertainty for row in self.rows) else 1,
            "network": self.network,
            "bundle": self.bundle,
            "device": self.device,
            "version": self.version,
            "link": self.link.to_json(),
            "rows": [row.to_json() for row in self.rows],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], *, what: str = "table") -> Table:
        check_schema(content, current=SCHEMA, what=what)
        rows = field(content, "rows", list, what=what)
        return cls(
            network=field(content, "network", str, what=what),
            bundle=field(content, "bundle", str, what=what),
            device=field(content, "device", str, what=what),
            version=field(content, "version", int, what=what),
            link=Link.from_json(content.get("link"), what=f"{what}: link"),
            rows=tuple(Row.from_json(row, what=f"{what}: row {number}") for number, row in enumerate(rows)),
        )
