"""Samples: what a device drew, and how it was, over a stretch of time. Sent as telemetry of kind `sample`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from protocol.configuration import Provenance, choose
from protocol.documents import check_schema, checked, field

SCHEMA = 1


@dataclass(frozen=True)
class Sample:
    """The `seconds` before `at` (wall time in seconds since the epoch, trustworthy when `clock_synced`).

    `mean_w`, `max_w` and `energy_mj` are the whole device's, by `provenance`; None where the meter was lost all the while.
    `cpu_khz` and `temperature_c` as they were at the end, None where nobody can tell. `throttled`: whether heat or a weak
    supply slowed the device down at any moment of it.
    """

    at: float
    clock_synced: bool
    seconds: float
    mean_w: float | None
    max_w: float | None
    energy_mj: float | None
    provenance: Provenance
    cpu_khz: int | None
    temperature_c: float | None
    throttled: bool

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **asdict(self), "provenance": self.provenance.value}

    @classmethod
    def from_json(cls, content: Mapping[str, Any], *, what: str = "sample") -> Sample:
        check_schema(content, current=SCHEMA, what=what)
        figures = {name: _optional(content, name, what=what) for name in _OPTIONAL}
        khz = content.get("cpu_khz")
        return cls(
            at=field(content, "at", float, what=what),
            clock_synced=field(content, "clock_synced", bool, what=what),
            seconds=field(content, "seconds", float, what=what),
            provenance=choose(Provenance, content.get("provenance"), what=f"{what}: 'provenance'"),
            cpu_khz=None if khz is None else checked(khz, int, what=f"{what}: 'cpu_khz'"),
            throttled=field(content, "throttled", bool, what=what),
            **figures,
        )


_OPTIONAL = ("mean_w", "max_w", "energy_mj", "temperature_c")


def _optional(content: Mapping[str, Any], name: str, *, what: str) -> float | None:
    value = content.get(name)
    return None if value is None else float(checked(value, float, what=f"{what}: '{name}'"))
