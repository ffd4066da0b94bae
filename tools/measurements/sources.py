"""Measurements from wherever they are: a file, told apart by its content, a backend, or a database."""

from __future__ import annotations

import re
import sqlite3
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from planner.recording import Content, Filters, Recorded, recorded, selected
from protocol.errors import InvalidInput, ServiceMissing
from tools.measurements.csv_lines import columns_of
from tools.measurements.published import is_published, read_published
from tools.output import read_text

_SQLITE_MAGIC = "SQLite format 3"


def read(source: str, filters: Filters, *, token: str = "", skip_bad: bool = False) -> Recorded:
    """The measurements of one network, device and bundle that pass the filters, each with its place.

    `source` is a file (JSON lines as `dynasplit profile` writes them, published CSV, or an SQLite store), the address of
    a backend (which wants an operator's `token`), or the URL of a database. The first line that cannot be is InvalidInput
    with its place and the reason, unless `skip_bad` leaves it out; so is a choice that is left open. ServiceMissing when a
    backend or database is away.
    """
    kept = _kept(source, filters, token)
    if kept is None:
        path, text = Path(source), _text(Path(source))
        if is_published(columns_of(text)):
            published = read_published(path, skip_bad=skip_bad, network=filters.get("network", ""))
            return selected(published, filters)
        kept = _lines(path, text)
    return recorded(kept, filters, skip_bad=skip_bad)


def contents(source: str, filters: Filters, *, token: str = "") -> list[tuple[str, Content]]:
    """All that a source holds, each measurement with its place, of as many devices as there are; not yet read.

    `source` as `read` takes it, though published CSV, which is of no bundle, is InvalidInput.
    """
    kept = _kept(source, filters, token)
    return _lines(Path(source), _text(Path(source))) if kept is None else list(kept)


def _kept(source: str, filters: Filters, token: str) -> Iterable[tuple[str, Content]] | None:
    """What a backend or a database has; None for a file of text."""
    if source.startswith(("http://", "https://")):
        return _from_backend(source, filters, token)
    if "://" in source:
        return _from_database(source, filters)
    path = Path(source)
    return _from_database(f"sqlite:///{path.absolute()}", filters) if is_sqlite(path) else None


def _text(path: Path) -> str:
    return read_text(path, what="measurements").removeprefix("\ufeff")


def _lines(path: Path, text: str) -> list[tuple[str, Content]]:
    """A measurement a line; InvalidInput for a file of which none is one."""
    lines: list[tuple[str, Content]] = [
        (f"{path}:{number}", line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()
    ]
    if lines and not any(str(line).lstrip().startswith("{") for _, line in lines):
        raise InvalidInput(
            f"{lines[0][0]}: neither measurements as JSON lines (dynasplit profile -o) nor published trials as CSV: "
            f"{lines[0][1]!r:.60}"
        )
    return lines


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
