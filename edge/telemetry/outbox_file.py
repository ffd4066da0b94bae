"""The outbox's file: opened, checked, bounded in size, and set aside when a card garbled it."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from protocol.errors import DynaSplitError
from protocol.messages import RecordKind

logger = logging.getLogger(__name__)

DROPPED_FIRST = (RecordKind.SAMPLE, RecordKind.MEASUREMENT, RecordKind.INFERENCE)
"""What goes first when there is no room: a sample is one of many, a measurement can be taken again, a request cannot."""


def for_each_kind(sql: str) -> dict[RecordKind, str]:
    """A statement for the table of each kind, which stands in it as `{kind}`."""
    return {kind: sql.format(kind=kind.value) for kind in RecordKind}


_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS boots (base INTEGER PRIMARY KEY, boot TEXT NOT NULL UNIQUE)",
    "CREATE TABLE IF NOT EXISTS dropped (kind TEXT PRIMARY KEY, count INTEGER NOT NULL)",
    *for_each_kind("CREATE TABLE IF NOT EXISTS {kind} (id INTEGER PRIMARY KEY, body TEXT NOT NULL)").values(),
    *for_each_kind("INSERT OR IGNORE INTO dropped VALUES ('{kind}', 0)").values(),
)
_DROP_OLDEST = for_each_kind("DELETE FROM {kind} WHERE id IN (SELECT id FROM {kind} ORDER BY id LIMIT ?)")
_TAKE_OVER = for_each_kind(
    "INSERT INTO {kind} SELECT ? + sequence, body FROM records WHERE boot = ? AND kind = '{kind}'"
)

_FORGET = for_each_kind("DELETE FROM {kind} WHERE id > ?")
_ALL = for_each_kind("SELECT id, '{kind}', body FROM {kind}")

_LOG_BYTES = 5 << 20
"""The write-ahead log comes on top of the file: SQLite writes it back at 1000 pages (https://www.sqlite.org/wal.html#ckpt)."""
_FEWEST_PAGES = 64
_AT_ONCE = 256


class OutboxFailed(DynaSplitError, OSError):
    """A record could not be written: the disk is full, read-only or broken, or only what counts more is in the way."""

    http_status: ClassVar[int] = 503
    exit_code: ClassVar[int] = 4


def open_file(path: Path | None, *, max_bytes: int, full_sync: bool = False) -> sqlite3.Connection:
    """A database with a table of each kind of record, ids rising over all of them, that grows no larger than `max_bytes`.

    None: in memory. A device must serve also when its card garbled the outbox: what is broken is set aside, for whoever wants
    to look. OutboxFailed where it cannot be opened at all.
    """
    try:
        try:
            return _opened(path, max_bytes=max_bytes, full_sync=full_sync)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            if path is None:
                raise
            _set_aside(path, error)
            return _opened(path, max_bytes=max_bytes, full_sync=full_sync)
    except (sqlite3.Error, OSError) as error:
        raise OutboxFailed(
            f"outbox {path} cannot be opened: {error}; is the folder writable, the disk full?"
        ) from error


def _set_aside(path: Path, error: sqlite3.Error) -> None:
    aside = path.with_name(f"{path.name}.broken-{time.time_ns()}")
    logger.error("outbox %s is damaged (%s); set aside as %s, starting an empty one", path, error, aside.name)
    _only_one_aside(path)
    for suffix in ("-wal", "-shm"):  # before the file: a log without one would be taken for that of the next
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.rename(aside)


@contextlib.contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # a full disk has undone it already (https://www.sqlite.org/lang_transaction.html)
            database.execute("ROLLBACK")
        raise


def has_room(database: sqlite3.Connection, nbytes: int) -> bool:
    """Whether so many bytes more would fit under the bound, with what SQLite needs to file them."""
    pages, free, most, page_bytes = (_pragma(database, name) for name in _PAGES)
    return pages - free + nbytes // page_bytes + 3 <= most


def used_bytes(database: sqlite3.Connection) -> int:
    """What the records take of the file; the rest of it is used again."""
    pages, free, _, page_bytes = (_pragma(database, name) for name in _PAGES)
    return (pages - free) * page_bytes


def drop_oldest(database: sqlite3.Connection, kind: RecordKind, count: int) -> int:
    """Takes the oldest records of a kind away and counts them as dropped, in one step; how many there were."""
    with transaction(database):
        gone = database.execute(_DROP_OLDEST[kind], (count,)).rowcount
        count_dropped(database, kind, gone)
    return gone


def count_dropped(database: sqlite3.Connection, kind: RecordKind, count: int) -> None:
    """Adds to what is known to be lost."""
    database.execute("UPDATE dropped SET count = count + ? WHERE kind = ?", (count, kind.value))


def all_records(database: sqlite3.Connection) -> list[tuple[int, RecordKind, str]]:
    """Id, kind and body of everything in a small database, oldest first."""
    rows = [row for sql in _ALL.values() for row in database.execute(sql).fetchall()]
    return [(row_id, RecordKind(kind), body) for row_id, kind, body in sorted(rows)]


def forget_boot(database: sqlite3.Connection, boot: str) -> None:
    """Takes away what an attempt left that broke off: the last boot, if it is this one, and its records."""
    with transaction(database):
        found = database.execute("SELECT base FROM boots WHERE boot = ?", (boot,)).fetchone()
        if found:
            for sql in _FORGET.values():
                database.execute(sql, found)
            database.execute("DELETE FROM boots WHERE boot = ?", (boot,))


_PAGES = ("page_count", "freelist_count", "max_page_count", "page_size")


def _opened(path: Path | None, *, max_bytes: int, full_sync: bool) -> sqlite3.Connection:
    database = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False, timeout=10)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA synchronous = {'FULL' if full_sync else 'NORMAL'}")
        database.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        if (verdict := database.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(verdict)
        with transaction(database):
            for statement in _SCHEMA:
                database.execute(statement)
            _take_over(database)
        _bound(database, max_bytes)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _take_over(database: sqlite3.Connection) -> None:
    """Records that an earlier version left, all in one table: each start's behind those of the start before."""
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'records'").fetchone():
        return
    base = 0
    starts = database.execute("SELECT boot, MAX(sequence) FROM records GROUP BY boot ORDER BY MIN(id)").fetchall()
    for boot, last in starts:
        database.execute("INSERT INTO boots VALUES (?, ?)", (base, boot))
        for sql in _TAKE_OVER.values():
            database.execute(sql, (base, boot))
        base += last
    database.execute("DROP TABLE records")
    database.execute("DROP TABLE IF EXISTS counters")


def _bound(database: sqlite3.Connection, max_bytes: int) -> None:
    """SQLite itself keeps to it from here on; a file that is larger, since the setting was, is made smaller first."""
    pages = max(_FEWEST_PAGES, (max_bytes - _LOG_BYTES) // _pragma(database, "page_size"))
    if _pragma(database, "page_count") > pages:
        database.execute(f"PRAGMA max_page_count = {pages}")
        _shrink(database, pages)
    database.execute(f"PRAGMA max_page_count = {pages}")


def _shrink(database: sqlite3.Connection, pages: int) -> None:
    for kind in DROPPED_FIRST:
        while _pragma(database, "page_count") - _pragma(database, "freelist_count") > pages:
            if not drop_oldest(database, kind, _AT_ONCE):
                break
    database.execute("VACUUM")


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])


def _only_one_aside(path: Path) -> None:
    """Of those that were set aside the latest is enough: a card that keeps garbling must not fill up with them."""
    for older in path.parent.glob(f"{path.name}.broken-*"):
        older.unlink(missing_ok=True)
