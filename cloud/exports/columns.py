"""The columns of records: what a body says, made flat, each figure of time and energy with its provenance beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from cloud.store.records.port import Kept
from protocol.configuration import Provenance
from protocol.measurement import FIGURES

Value = str | float | int | bool | None


class Kind(Enum):
    """What a column holds, beside nothing."""

    TEXT = str
    NUMBER = float
    WHOLE = int
    FLAG = bool


@dataclass(frozen=True)
class Column:
    """A name, a kind, and where the value lies in a record."""

    name: str
    kind: Kind
    of: Callable[[Kept], Value]


def _identity() -> tuple[Column, ...]:
    return (
        Column("device", Kind.TEXT, lambda kept: kept.device),
        Column("boot", Kind.TEXT, lambda kept: kept.boot),
        Column("sequence", Kind.WHOLE, lambda kept: kept.sequence),
        Column("received_at", Kind.NUMBER, lambda kept: kept.received_at),
    )


def _field(name: str, kind: Kind, *inside: str, as_name: str = "") -> Column:
    """A field of the body, or of an object in it; nothing where one of them is missing."""

    def find(kept: Kept) -> Value:
        place: Any = kept.body
        for step in (*inside, name):
            if not isinstance(place, Mapping):
                return None
            place = place.get(step)
        return _CAST[kind](place)

    return Column(as_name or name, kind, find)


def _storable(value: object) -> Value:
    """Text that every file can hold: half of a surrogate pair is written as its escape."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else None


def _number(value: object) -> Value:
    """JSON writes a number as it likes, also as an integer that no float is equal to, which Parquet takes for an error."""
    return float(value) if isinstance(value, int | float) else None


def _whole(value: object) -> Value:
    return value if isinstance(value, int) else None


def _flag(value: object) -> Value:
    return value if isinstance(value, bool) else None


_CAST: Mapping[Kind, Callable[[object], Value]] = {
    Kind.TEXT: _storable,
    Kind.NUMBER: _number,
    Kind.WHOLE: _whole,
    Kind.FLAG: _flag,
}


def _figure(name: str) -> tuple[Column, Column]:
    provenance = _field(name, Kind.TEXT, "cost", "provenance", as_name=f"{name}_provenance")
    return _field(name, Kind.NUMBER, "cost"), provenance


_CONFIGURATION = (
    _field("cut", Kind.WHOLE, "configuration"),
    _field("cpu_khz", Kind.WHOLE, "configuration"),
    _field("edge_accelerator", Kind.TEXT, "configuration"),
    _field("cloud_accelerator", Kind.TEXT, "configuration"),
    _field("codec", Kind.TEXT, "configuration"),
    _field("threads", Kind.WHOLE, "configuration"),
)
_COST = (
    *(column for name in FIGURES for column in _figure(name)),
    _field("up_bytes", Kind.WHOLE, "cost"),
    _field("down_bytes", Kind.WHOLE, "cost"),
)


def _predicted(kept: Kept) -> Value:
    """A prediction is an estimate, whatever it was made from."""
    return None if kept.body.get("predicted_ms") is None else Provenance.ESTIMATED.value


INFERENCES = (
    *_identity(),
    _field("at", Kind.NUMBER),
    _field("clock_synced", Kind.FLAG),
    *(_field(name, Kind.TEXT) for name in ("network", "bundle", "run", "strategy", "account")),
    *_CONFIGURATION,
    _field("deadline_ms", Kind.NUMBER),
    _field("violation", Kind.FLAG),
    _field("predicted_ms", Kind.NUMBER),
    Column("predicted_ms_provenance", Kind.TEXT, _predicted),
    *_COST,
    *(_field(name, Kind.TEXT) for name in ("fallback", "refused", "table_digest")),
)


def _believed(kept: Kept) -> Value:
    """A device works its link out from transfers: an estimate, or emulated where these were."""
    if not isinstance(kept.body.get("link"), Mapping):
        return None
    emulated = _TRANSFER_PROVENANCE.of(kept) == Provenance.EMULATED.value
    return (Provenance.EMULATED if emulated else Provenance.ESTIMATED).value


_, _TRANSFER_PROVENANCE = _figure("transfer_ms")


def _linked(name: str) -> tuple[Column, Column]:
    known = _field(name, Kind.NUMBER, "link", as_name=f"link_{name}")
    return known, Column(f"{known.name}_provenance", Kind.TEXT, _believed)


MEASUREMENTS = (
    *_identity(),
    _field("at", Kind.NUMBER),
    _field("clock_synced", Kind.FLAG),
    *(_field(name, Kind.TEXT) for name in ("network", "bundle", "run", "runtime")),
    *_CONFIGURATION,
    _field("repeats", Kind.WHOLE),
    _field("throttled", Kind.FLAG),
    _field("accuracy", Kind.NUMBER),
    *_COST,
    *(column for name in ("rtt_ms", "up_bytes_per_ms", "down_bytes_per_ms") for column in _linked(name)),
)


def _drawn(name: str) -> tuple[Column, Column]:
    return _field(name, Kind.NUMBER), _field("provenance", Kind.TEXT, as_name=f"{name}_provenance")


def _clocked(kept: Kept) -> Value:
    """The device's own clock measures the time, unless there was no such device."""
    if kept.body.get("seconds") is None:
        return None
    emulated = kept.body.get("provenance") == Provenance.EMULATED.value
    return (Provenance.EMULATED if emulated else Provenance.MEASURED).value


SAMPLES = (
    *_identity(),
    _field("at", Kind.NUMBER),
    _field("clock_synced", Kind.FLAG),
    _field("seconds", Kind.NUMBER),
    Column("seconds_provenance", Kind.TEXT, _clocked),
    *(column for name in ("mean_w", "max_w", "energy_mj") for column in _drawn(name)),
    _field("cpu_khz", Kind.WHOLE),
    _field("temperature_c", Kind.NUMBER),
    _field("throttled", Kind.FLAG),
)
