"""The state of a device: how it is now, in one retained message on its topic `state`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from protocol import documents
from protocol.configuration import Provenance, choose
from protocol.documents import canonical_bytes, check_schema, checked, parse_object

SCHEMA = 1


@dataclass(frozen=True)
class PowerState:
    """What a device draws. `watts` now, None while the meter is lost. `energy_kwh` only grows, over restarts too; behind it
    stands all of `energy_provenance`, behind `watts` the meter's own `provenance`."""

    meter: str
    provenance: Provenance
    watts: float | None
    energy_kwh: float
    energy_provenance: tuple[Provenance, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "meter": self.meter,
            "provenance": self.provenance.value,
            "watts": self.watts,
            "energy_kwh": self.energy_kwh,
            "energy_provenance": [each.value for each in self.energy_provenance],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> PowerState:
        what = "state: power"
        kinds = documents.field(content, "energy_provenance", list, what=what)
        return cls(
            meter=documents.field(content, "meter", str, what=what),
            provenance=choose(Provenance, content.get("provenance"), what=f"{what}: 'provenance'"),
            watts=_optional(content, "watts", what=what),
            energy_kwh=documents.field(content, "energy_kwh", float, what=what),
            energy_provenance=tuple(choose(Provenance, kind, what=f"{what}: 'energy_provenance'") for kind in kinds),
        )


@dataclass(frozen=True)
class RequestState:
    """Of the requests since the agent's start: how many, how many of them were violations, and the latency of the last
    answer and the median of the latest ones, in ms, from the request's last byte to the answer; None before the first."""

    count: int = 0
    violations: int = 0
    last_ms: float | None = None
    median_ms: float | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "violations": self.violations,
            "last_ms": self.last_ms,
            "median_ms": self.median_ms,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> RequestState:
        what = "state: requests"
        return cls(
            count=documents.field(content, "count", int, what=what),
            violations=documents.field(content, "violations", int, what=what),
            last_ms=_optional(content, "last_ms", what=what),
            median_ms=_optional(content, "median_ms", what=what),
        )


@dataclass(frozen=True)
class DeviceState:
    """How a device is. `uptime_s` counts from the agent's start.

    `cpu_khz` is the clock that the CPU runs at and `temperature_c` its temperature, None where nobody can tell. `throttled`
    says what slows the device down now, in words; empty: nothing. `tables` has the version of each network's table.
    `waiting` records of the outbox are not confirmed yet, `dropped` were lost to its bound, by kind. `accelerators` has a
    word on the health of each accelerator that the device is set up for.
    """

    agent_version: str
    uptime_s: float
    power: PowerState
    requests: RequestState
    cpu_khz: int | None = None
    temperature_c: float | None = None
    throttled: tuple[str, ...] = ()
    tables: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    accelerators: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        return canonical_bytes(self.to_json())

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "agent_version": self.agent_version,
            "uptime_s": self.uptime_s,
            "power": self.power.to_json(),
            "requests": self.requests.to_json(),
            "cpu_khz": self.cpu_khz,
            "temperature_c": self.temperature_c,
            "throttled": list(self.throttled),
            "tables": dict(self.tables),
            "outbox": {"waiting": self.waiting, "dropped": dict(self.dropped)},
            "accelerators": dict(self.accelerators),
        }

    @classmethod
    def from_bytes(cls, payload: bytes) -> DeviceState:
        return cls.from_json(parse_object(payload, what="state"))

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> DeviceState:
        what = "state"
        check_schema(content, current=SCHEMA, what=what)
        khz = content.get("cpu_khz")
        outbox = documents.field(content, "outbox", dict, what=what)
        return cls(
            agent_version=documents.field(content, "agent_version", str, what=what),
            uptime_s=documents.field(content, "uptime_s", float, what=what),
            power=PowerState.from_json(documents.field(content, "power", dict, what=what)),
            requests=RequestState.from_json(documents.field(content, "requests", dict, what=what)),
            cpu_khz=None if khz is None else checked(khz, int, what=f"{what}: 'cpu_khz'"),
            temperature_c=_optional(content, "temperature_c", what=what),
            throttled=tuple(_values(dict(enumerate(documents.field(content, "throttled", list, what=what))), str)),
            tables=_mapped(content, "tables", int),
            waiting=documents.field(outbox, "waiting", int, what="state: outbox"),
            dropped=_mapped(outbox, "dropped", int),
            accelerators=_mapped(content, "accelerators", str),
        )


def _mapped(content: Mapping[str, Any], name: str, kind: type) -> dict[str, Any]:
    values = documents.field(content, name, dict, what="state")
    return dict(zip(values, _values(values, kind), strict=True))


def _values(values: Mapping[Any, Any], kind: type) -> list[Any]:
    return [checked(value, kind, what=f"state: {name!r:.40}") for name, value in values.items()]


def _optional(content: Mapping[str, Any], name: str, *, what: str) -> float | None:
    value = content.get(name)
    return None if value is None else float(checked(value, float, what=f"{what}: '{name}'"))
