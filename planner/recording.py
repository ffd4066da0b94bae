"""What a source of measurements held: those of one network, device and bundle, without what cannot be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from planner.possible import check_possible
from planner.space import Space
from protocol.documents import parse_object
from protocol.errors import InvalidInput
from protocol.measurement import Measurement

ORIGIN = ("network", "device", "bundle")
"""What measurements for one table have in common."""

Filters = Mapping[str, str]
"""Wanted `network`, `device`, `bundle` and `run`; an empty text passes all."""

Content = str | Mapping[str, Any]
"""A measurement as JSON: its text, or what it says."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """Measurements with their places (`file.csv:12`), one for each, and the space that they are of.

    `skipped`: for each line that cannot be and was left out, its place and what is wrong with it. `sampled`: there is more
    in the space than was ever measured, so that the measurements do not cover it is no fault.
    """

    measurements: tuple[Measurement, ...]
    where: tuple[str, ...]
    space: Space
    skipped: tuple[str, ...] = ()
    sampled: bool = False


@dataclass(frozen=True)
class _Entry:
    """A measurement and its place."""

    where: str
    measurement: Measurement


@dataclass(frozen=True)
class _Found:
    """What was read up to now, and what was left out, with reasons."""

    entries: tuple[_Entry, ...]
    skipped: tuple[str, ...]


def recorded(contents: Iterable[tuple[str, Content]], filters: Filters, *, skip_bad: bool = False) -> Recorded:
    """The measurements, each told with its place, that pass the filters and lie within the space that they span.

    InvalidInput for the first that cannot be, with its place and the reason, unless `skip_bad` leaves it out; where none
    is left; and, with the choices, where they are of several networks, devices or bundles.
    """
    return _recorded(_found(contents, skip_bad), filters, skip_bad=skip_bad)


def _found(contents: Iterable[tuple[str, Content]], skip_bad: bool) -> _Found:
    entries, skipped = [], []
    for where, content in contents:
        try:
            entries.append(_Entry(where, _measurement(where, content)))
        except InvalidInput as fault:
            skipped.append(_told(where, fault))
            if not skip_bad:
                raise InvalidInput(f"{skipped[0]} (--skip-bad leaves it out)") from fault
    return _Found(tuple(entries), tuple(skipped))


def _measurement(where: str, content: Content) -> Measurement:
    document = parse_object(content, what=where) if isinstance(content, str) else content
    measurement = Measurement.from_json(document, what=where)
    check_possible(measurement.configuration.cut, measurement.cost)
    return measurement


def _told(where: str, fault: InvalidInput) -> str:
    reason = str(fault)
    return reason if reason.startswith(where) else f"{where}: {reason}"


def _recorded(found: _Found, filters: Filters, *, skip_bad: bool) -> Recorded:
    """What passes the filters and lies within the space that it spans."""
    if not found.entries:
        raise InvalidInput(_nothing(found, filters))
    entries = _passing(found.entries, filters)
    within = _within(entries, skip_bad=skip_bad)
    measurements = tuple(entry.measurement for entry in within.entries)
    return Recorded(
        measurements,
        tuple(entry.where for entry in within.entries),
        Space.seen_in(measurements),
        found.skipped + within.skipped,
    )


def _nothing(found: _Found, filters: Filters) -> str:
    if found.skipped:
        return f"no measurement is left, {len(found.skipped)} cannot be; the first: {found.skipped[0]}"
    wanted = ", ".join(f"{name} {value}" for name, value in filters.items() if value)
    return f"there are no measurements{' with ' if wanted else ''}{wanted}: run dynasplit profile first"


def selected(recorded: Recorded, filters: Filters) -> Recorded:
    """Published trials are of one origin; what is asked for must be that."""
    entries = [_Entry(where, item) for where, item in zip(recorded.where, recorded.measurements, strict=True)]
    _passing(entries, filters)
    return recorded


def _passing(entries: Sequence[_Entry], filters: Filters) -> list[_Entry]:
    """Those that pass. InvalidInput when none does, and, with the choices, when what is left is of several origins."""
    passing = list(entries)
    for name, wanted in filters.items():
        there = _values(passing, name)
        passing = [entry for entry in passing if wanted in ("", getattr(entry.measurement, name))]
        if not passing:
            raise InvalidInput(f"there are no measurements with {name} {wanted}; there are {_named(there)}")
    for name in ORIGIN:
        if len(there := _values(passing, name)) > 1:
            raise InvalidInput(f"the measurements are of several {name}s: choose with --{name} {' | '.join(there)}")
    return passing


def _named(values: Iterable[str]) -> str:
    return ", ".join(value or "those without one" for value in values)


def _values(entries: Iterable[_Entry], name: str) -> list[str]:
    return sorted({str(getattr(entry.measurement, name)) for entry in entries})


def _within(entries: Sequence[_Entry], *, skip_bad: bool) -> _Found:
    """Without those that cannot be of this network: cuts beyond edge-only, heads that sent nothing, whole runs that did."""
    last = _last_cut(entries)
    kept, skipped = [], []
    for entry in entries:
        cut, sends = entry.measurement.configuration.cut, entry.measurement.cost.up_bytes > 0
        if last is None or entry.measurement.throttled or (cut < last and sends) or (cut == last and not sends):
            kept.append(entry)
            continue
        skipped.append(f"{entry.where}: cut {cut} of {last} cannot have sent {entry.measurement.cost.up_bytes} bytes")
        if not skip_bad:
            raise InvalidInput(f"{skipped[0]}; that request did not run as asked (--skip-bad leaves it out)")
    return _Found(tuple(kept), tuple(skipped))


def _last_cut(entries: Sequence[_Entry]) -> int | None:
    """The cut at which most requests sent nothing, which is edge-only; None where more sent something beyond it."""
    silent = Counter(entry.measurement.configuration.cut for entry in entries if not entry.measurement.cost.up_bytes)
    if not silent:
        return None
    last = max(silent, key=lambda cut: (silent[cut], cut))
    beyond = sum(
        entry.measurement.configuration.cut > last and entry.measurement.cost.up_bytes > 0 for entry in entries
    )
    return last if silent[last] >= beyond else None
