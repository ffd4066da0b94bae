"""Measurements from wherever they are: a file, told apart by its content, a backend, or a database."""

from __future__ import annotations

import re
import sqlite3
import urllib.parse
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planner.space import Space
from protocol.documents import parse_object
from protocol.errors import InvalidInput, ServiceMissing
from protocol.measurement import Measurement
from tools.measurements.csv_lines import columns_of
from tools.measurements.possible import check_possible
from tools.measurements.published import is_published, read_published
from tools.measurements.recorded import Recorded
from tools.output import read_text

ORIGIN = ("network", "device", "bundle")
"""What measurements for one table have in common."""

Filters = Mapping[str, str]
"""Wanted `network`, `device`, `bundle` and `run`; an empty text passes all."""

_SQLITE_MAGIC = "SQLite format 3"


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


def read(source: str, filters: Filters, *, token: str = "", skip_bad: bool = False) -> Recorded:
    """The measurements of one network, device and bundle that pass the filters, each with its place.

    `source` is a file (JSON lines as `dynasplit profile` writes them, published CSV, or an SQLite store), the address of
    a backend (which wants an operator's `token`), or the URL of a database. The first line that cannot be is InvalidInput
    with its place and the reason, unless `skip_bad` leaves it out; so is a choice that is left open. ServiceMissing when a
    backend or database is away.
    """
    if source.startswith(("http://", "https://")):
        return _recorded(_found(_from_backend(source, filters, token), skip_bad), filters, skip_bad=skip_bad)
    if "://" in source:
        return _recorded(_found(_from_database(source, filters), skip_bad), filters, skip_bad=skip_bad)
    return _from_file(Path(source), filters, skip_bad=skip_bad)


def _from_file(path: Path, filters: Filters, *, skip_bad: bool) -> Recorded:
    if is_sqlite(path):
        return read(f"sqlite:///{path.absolute()}", filters, skip_bad=skip_bad)
    text = read_text(path, what="measurements").removeprefix("\ufeff")
    if is_published(columns_of(text)):
        published = read_published(path, skip_bad=skip_bad, network=filters.get("network", ""))
        return _selected(published, filters)
    lines = [(f"{path}:{number}", line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if lines and not any(line.lstrip().startswith("{") for _, line in lines):
        raise InvalidInput(
            f"{lines[0][0]}: neither measurements as JSON lines (dynasplit profile -o) nor published trials as CSV: "
            f"{lines[0][1]!r:.60}"
        )
    return _recorded(_found(lines, skip_bad), filters, skip_bad=skip_bad)


def is_sqlite(path: Path) -> bool:
    """Whether it is a file that SQLite wrote."""
    if not path.is_file():
        return False  # a pipe would have to be waited for
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE_MAGIC)) == _SQLITE_MAGIC.encode()
    except OSError:
        return False  # told when it is read


def _from_backend(url: str, filters: Filters, token: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    from tools.web import Web

    query = urllib.parse.urlencode({name: value for name, value in filters.items() if value})
    lines = Web(url, token=token, name="backend").lines(f"/api/v1/measurements?{query}")
    return ((f"{url}: measurement {number}", line) for number, line in enumerate(lines, start=1))


def _from_database(url: str, filters: Filters) -> Iterator[tuple[str, Mapping[str, Any]]]:
    shown = re.sub(r"//[^/@]*@", "//***@", url)
    try:
        from cloud.store.records.port import Selection
        from cloud.store.sql import SqlStore
    except ModuleNotFoundError as error:
        raise ServiceMissing(
            f"measurements {shown:.100}: a database needs the package '{error.name}': pip install '.[cloud]'"
        ) from error
    if url.startswith("sqlite:"):
        _check_sqlite(url)
    wanted: dict[str, Any] = {name: value or None for name, value in filters.items()}
    with closing(SqlStore(url)) as store:
        for kept in store.measurements(Selection(**wanted)):
            yield f"{shown}: measurement {kept.sequence} of {kept.device}, boot {kept.boot}", kept.body


def _check_sqlite(url: str) -> None:
    """InvalidInput unless the file is there and is a store of ours: opening it would make one."""
    path = Path(urllib.parse.unquote(url.partition("///")[2].partition("?")[0]))
    if not path.is_file():
        raise InvalidInput(f"measurements {url:.200}: there is no such file")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'measurements'").fetchone()
    except sqlite3.Error as error:
        raise InvalidInput(f"measurements {url:.200}: it is no database that can be read: {error}") from error
    if not found:
        raise InvalidInput(f"measurements {url:.200}: it is a database, but holds no measurements of dynasplit")


def _found(contents: Iterable[tuple[str, str | Mapping[str, Any]]], skip_bad: bool) -> _Found:
    entries, skipped = [], []
    for where, content in contents:
        try:
            entries.append(_Entry(where, _measurement(where, content)))
        except InvalidInput as fault:
            skipped.append(_told(where, fault))
            if not skip_bad:
                raise InvalidInput(f"{skipped[0]} (--skip-bad leaves it out)") from fault
    return _Found(tuple(entries), tuple(skipped))


def _measurement(where: str, content: str | Mapping[str, Any]) -> Measurement:
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


def _selected(recorded: Recorded, filters: Filters) -> Recorded:
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
