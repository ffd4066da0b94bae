"""The outbox: what shall reach the store waits here, on disk, until the store says that it has it."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from protocol.documents import canonical_bytes, parse_object
from protocol.errors import DynaSplitError, InvalidInput
from protocol.messages import Ack, Record, RecordKind

logger = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    boot TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (boot, sequence)
);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT OR IGNORE INTO counters VALUES ('dropped', 0);
"""

_NEXT = "SELECT id, boot, sequence, kind, CAST(body AS BLOB) FROM records WHERE id > ? ORDER BY id LIMIT ?"
"""The body as bytes, since one that a card garbled may not be text any more."""


class OutboxFailed(DynaSplitError, OSError):
    """A record could not be written: the disk is full, read-only or broken."""

    http_status: ClassVar[int] = 503
    exit_code: ClassVar[int] = 4


@dataclass(frozen=True)
class Batch:
    """Consecutive records of one boot, oldest first; `last_id` is where the next batch goes on."""

    boot: str
    records: tuple[Record, ...]
    last_id: int


class Outbox:
    """Records on disk (SQLite, write-ahead log) until they are acknowledged. All methods may be called from any thread.

    Each start of the agent has a `boot` of its own, a UUID, and counts its records from 1; rows of earlier boots keep
    theirs. With `full_sync` off, a killed process loses nothing, but a power cut may take the last rows
    (https://www.sqlite.org/pragma.html#pragma_synchronous). When `max_rows` are waiting the oldest go, and are counted.
    """

    def __init__(self, path: Path, *, max_rows: int, full_sync: bool = False) -> None:
        self.boot = str(uuid.uuid4())
        self._max_rows = max_rows
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self._sequence = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = _open_or_start_anew(path, full_sync=full_sync)
        self._rows = int(self._database.execute("SELECT COUNT(*) FROM records").fetchone()[0])

    def append(self, kind: RecordKind, body: Mapping[str, Any]) -> int:
        """Keeps a record and gives its sequence. It is in the database when this returns; OutboxFailed otherwise.

        InvalidInput for a body that could not be sent.
        """
        text = canonical_bytes(body).decode()
        with self._lock:
            sequence = self._sequence + 1
            try:
                self._insert(sequence, kind, text)
            except sqlite3.Error as error:
                raise OutboxFailed(f"the outbox cannot keep a record: {error}; is the disk full?") from error
            self._sequence = sequence
        for listener in self._listeners:
            listener()
        return sequence

    def batch(self, *, after_id: int, max_records: int, max_bytes: int) -> Batch | None:
        """The oldest records behind `after_id` that share a boot, within the limits but at least one; None without any.

        One that cannot be read, as earlier versions and broken cards leave them, is dropped, so that the others get through.
        """
        with self._lock:
            while rows := self._database.execute(_NEXT, (after_id, max_records)).fetchall():
                if found := self._batch_of(rows, max_bytes=max_bytes):
                    return found
        return None

    def waiting(self, *, up_to_id: int) -> int:
        """How many records up to this id are still here."""
        with self._lock:
            row = self._database.execute("SELECT COUNT(*) FROM records WHERE id <= ?", (up_to_id,)).fetchone()
        return int(row[0])

    def acknowledge(self, ack: Ack) -> int:
        """Lets the acknowledged records go and tells how many went; what is not here any more is ignored."""
        with self._lock:
            gone = 0
            with _transaction(self._database):
                for first, last in ack.ranges:
                    gone += self._database.execute(
                        "DELETE FROM records WHERE boot = ? AND sequence BETWEEN ? AND ?", (ack.boot, first, last)
                    ).rowcount
            self._rows -= gone
        return gone

    @property
    def dropped(self) -> int:
        """Records that were lost to the bound, or could not be read, since the outbox was made."""
        with self._lock:
            return int(self._database.execute("SELECT value FROM counters WHERE name = 'dropped'").fetchone()[0])

    def __len__(self) -> int:
        return self._rows

    def on_append(self, listener: Callable[[], None]) -> None:
        """Calls back, on the thread that appended, after each record."""
        self._listeners.append(listener)

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def _insert(self, sequence: int, kind: RecordKind, text: str) -> None:
        surplus = self._rows + 1 - self._max_rows
        with _transaction(self._database) if surplus > 0 else contextlib.nullcontext():
            self._database.execute(
                "INSERT INTO records (boot, sequence, kind, body) VALUES (?, ?, ?, ?)",
                (self.boot, sequence, kind.value, text),
            )
            if surplus > 0:
                self._drop_oldest(surplus)
        self._rows += 1 - max(0, surplus)

    def _batch_of(self, rows: Sequence[tuple[Any, ...]], *, max_bytes: int) -> Batch | None:
        """A batch from the first of these rows; None where none could be read."""
        records: list[Record] = []
        boot, last_id, size = "", 0, 0
        for row_id, row_boot, sequence, kind, body in rows:
            size += len(body)
            if records and (row_boot != boot or size > max_bytes):
                break
            try:
                records.append(Record.from_json(_content(sequence, kind, body)))
            except InvalidInput as error:
                logger.error("dropped record %s of boot %.8s from the outbox: %s", sequence, row_boot, error)
                self._drop(row_id)
                continue
            boot, last_id = row_boot, row_id
        return Batch(boot=boot, records=tuple(records), last_id=last_id) if records else None

    def _drop(self, row_id: int) -> None:
        with _transaction(self._database):
            self._database.execute("DELETE FROM records WHERE id = ?", (row_id,))
            self._count_dropped(1)
        self._rows -= 1

    def _drop_oldest(self, count: int) -> None:
        self._database.execute("DELETE FROM records WHERE id IN (SELECT id FROM records ORDER BY id LIMIT ?)", (count,))
        self._count_dropped(count)

    def _count_dropped(self, count: int) -> None:
        self._database.execute("UPDATE counters SET value = value + ? WHERE name = 'dropped'", (count,))


def _content(sequence: int, kind: str, body: bytes) -> dict[str, Any]:
    return {"sequence": sequence, "kind": kind, "body": parse_object(body, what="its body")}


def _open_or_start_anew(path: Path, *, full_sync: bool) -> sqlite3.Connection:
    """A device must serve also when its card garbled the outbox: what is broken is set aside, for whoever wants to look."""
    try:
        return _open(path, full_sync=full_sync)
    except sqlite3.OperationalError as error:
        raise OutboxFailed(
            f"outbox {path} cannot be opened: {error}; is the folder writable, the disk full?"
        ) from error
    except sqlite3.DatabaseError as error:
        aside = path.with_name(f"{path.name}.broken-{time.time_ns()}")
        logger.error("outbox %s is damaged (%s); set aside as %s, starting an empty one", path, error, aside.name)
        path.rename(aside)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _open(path, full_sync=full_sync)


def _open(path: Path, *, full_sync: bool) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA synchronous = {'FULL' if full_sync else 'NORMAL'}")
        database.executescript(_SCHEMA)
        if (verdict := database.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(verdict)
    except sqlite3.Error:
        database.close()
        raise
    return database


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Any:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
