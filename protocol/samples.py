"""Samples: what a device drew, and how it was, over a stretch of time. Sent as telemetry of kind `sample`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from protocol.configuration import Provenance, choose
from protocol.documents import check_schema, checked, field
from protocol.errors import InvalidInput

SCHEMA = 1

_LONGEST_S = 400 * 86_400.0
"""More than any device was away from its clock between two samples."""
_BOUNDS = {
    "at": (0.0, 1e11),
    "seconds": (0.0, _LONGEST_S),
    "mean_w": (0.0, 1e6),
    "max_w": (0.0, 1e6),
    "energy_mj": (0.0, 1e15),
    "temperature_c": (-273.2, 1e4),
    "cpu_khz": (0, 10**9),
}
"""What a figure may be at most, far from any that is true: sums of what is stored must stay numbers."""


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
        """InvalidInput for what is none, and for a figure that cannot be one."""
        check_schema(content, current=SCHEMA, what=what)
        figures = {name: _optional(content, name, what=what) for name in _OPTIONAL}
        khz = content.get("cpu_khz")
        sample = cls(
            at=field(content, "at", float, what=what),
            clock_synced=field(content, "clock_synced", bool, what=what),
            seconds=field(content, "seconds", float, what=what),
            provenance=choose(Provenance, content.get("provenance"), what=f"{what}: 'provenance'"),
            cpu_khz=None if khz is None else checked(khz, int, what=f"{what}: 'cpu_khz'"),
            throttled=field(content, "throttled", bool, what=what),
            **figures,
        )
        for name, (least, most) in _BOUNDS.items():
            value = getattr(sample, name)
            if value is not None and not least <= value <= most:
                raise InvalidInput(f"{what}: '{name}' must lie between {least:g} and {most:g}, not {value:g}")
        return sample


_OPTIONAL = ("mean_w", "max_w", "energy_mj", "temperature_c")


def _optional(content: Mapping[str, Any], name: str, *, what: str) -> float | None:
    value = content.get(name)
    return None if value is None else float(checked(value, float, what=f"{what}: '{name}'"))
