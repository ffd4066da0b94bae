"""A measurement: one configuration with what it cost, and the circumstances."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as default
from typing import Any

from protocol.configuration import Configuration, Provenance, choose
from protocol.documents import check_schema, checked, field
from protocol.errors import InvalidInput
from protocol.link import Link

SCHEMA = 1

FIGURES = ("head_ms", "transfer_ms", "cloud_ms", "latency_ms", "head_mj", "wait_mj", "cloud_node_mj", "cloud_active_mj")
"""The figures of time and energy, each of which carries its provenance."""

LARGEST = 1e12
"""No figure of one request in ms, mJ or bytes comes near it: 30 years, 280 kWh, a terabyte."""


@dataclass(frozen=True)
class Cost:
    """What one request cost.

    Times in ms, energies in mJ, all finite, 0 or more, at most `LARGEST`. `head_ms` is the work on the device (head and
    encoding), `transfer_ms` the round trip without `cloud_ms`, `latency_ms` everything from the request's last byte to
    the reply. `wait_mj` is what the device spent while it waited for the cloud. `cloud_node_mj` is the whole node while
    it worked on the request, `cloud_active_mj` its part above idle, None where the idle power is unknown. `provenance`
    names the kind of each figure in `FIGURES` that is not zero by definition.
    """

    head_ms: float
    transfer_ms: float
    cloud_ms: float
    latency_ms: float
    up_bytes: int
    down_bytes: int
    head_mj: float
    wait_mj: float
    cloud_node_mj: float
    cloud_active_mj: float | None
    provenance: Mapping[str, Provenance] = default(default_factory=dict)

    def __post_init__(self) -> None:
        for name in (*FIGURES, "up_bytes", "down_bytes"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= LARGEST:
                raise InvalidInput(f"cost: {name} must be 0 or more and not beyond {LARGEST:g}, not {value}")

    @property
    def edge_mj(self) -> float:
        """What the device spent on the request."""
        return self.head_mj + self.wait_mj

    def to_json(self) -> dict[str, Any]:
        figures = {name: getattr(self, name) for name in (*FIGURES, "up_bytes", "down_bytes")}
        return {**figures, "provenance": {name: kind.value for name, kind in self.provenance.items()}}

    @classmethod
    def from_json(cls, content: object, *, what: str = "cost") -> Cost:
        if not isinstance(content, Mapping):
            raise InvalidInput(f"{what} must be an object")
        numbers: dict[str, Any] = {
            name: field(content, name, float, what=what) for name in FIGURES if name != "cloud_active_mj"
        }
        active = content.get("cloud_active_mj")
        return cls(
            **numbers,
            cloud_active_mj=None if active is None else checked(active, float, what=f"{what}: 'cloud_active_mj'"),
            up_bytes=field(content, "up_bytes", int, what=what),
            down_bytes=field(content, "down_bytes", int, what=what),
            provenance=provenance_from_json(content.get("provenance", {}), what=what),
        )


def provenance_from_json(content: object, *, what: str) -> dict[str, Provenance]:
    """A map of figure to provenance, checked."""
    if not isinstance(content, Mapping):
        raise InvalidInput(f"{what}: 'provenance' must be an object")
    return {str(name): choose(Provenance, kind, what=f"{what}: provenance of {name}") for name, kind in content.items()}


@dataclass(frozen=True)
class Measurement:
    """A configuration with its cost. `accuracy` is a share of right answers, None where nobody evaluated it.

    `repeats` requests were averaged; `run` is a tag; `at` is wall time in seconds since the epoch on the device,
    trustworthy only when `clock_synced`.
    """

    configuration: Configuration
    cost: Cost
    network: str
    bundle: str
    device: str
    runtime: str
    link: Link
    at: float
    clock_synced: bool
    repeats: int = 1
    throttled: bool = False
    accuracy: float | None = None
    run: str = ""

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise InvalidInput(f"measurement: repeats must be 1 or more, not {self.repeats}")
        if not math.isfinite(self.at):
            raise InvalidInput(f"measurement: at must be a finite number of seconds, not {self.at}")
        if self.accuracy is not None and not 0 <= self.accuracy <= 1:
            raise InvalidInput(f"measurement: accuracy must lie between 0 and 1, not {self.accuracy}")

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "configuration": self.configuration.to_json(),
            "cost": self.cost.to_json(),
            "link": self.link.to_json(),
            **{name: getattr(self, name) for name in (*_TEXTS, *_REST)},
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], *, what: str = "measurement") -> Measurement:
        check_schema(content, current=SCHEMA, what=what)
        accuracy = content.get("accuracy")
        return cls(
            configuration=Configuration.from_json(content.get("configuration"), what=f"{what}: configuration"),
            cost=Cost.from_json(content.get("cost"), what=f"{what}: cost"),
            link=Link.from_json(content.get("link"), what=f"{what}: link"),
            at=field(content, "at", float, what=what),
            clock_synced=field(content, "clock_synced", bool, what=what),
            repeats=field(content, "repeats", int, what=what),
            throttled=field(content, "throttled", bool, what=what),
            accuracy=None if accuracy is None else checked(accuracy, float, what=f"{what}: 'accuracy'"),
            **{name: field(content, name, str, what=what) for name in _TEXTS},
        )


_TEXTS = ("network", "bundle", "device", "runtime", "run")
_REST = ("at", "clock_synced", "repeats", "throttled", "accuracy")
