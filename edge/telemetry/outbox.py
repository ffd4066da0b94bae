"""The outbox: what shall reach the store waits here, on disk, until the store says that it has it."""

from __future__ import annotations

import logging
import sqlite3
import threading
import uuid
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.telemetry.losses import Losses
from edge.telemetry.outbox_file import (
    DROPPED_FIRST,
    OutboxFailed,
    count_dropped,
    drop_oldest,
    for_each_kind,
    has_room,
    open_file,
    transaction,
    used_bytes,
)
from edge.telemetry.shelter import COUNT_SHELTERED, OLDEST_SHELTERED, Shelter
from protocol.documents import canonical_bytes, parse_object
from protocol.errors import InvalidInput
from protocol.messages import Ack, Record, RecordKind

logger = logging.getLogger(__name__)

_LARGEST_SHARE = 8
"""A record may take an eighth of the outbox at most, lest one drive out all others."""
_DROPPED_AT_ONCE = 32
_MOVED_AT_ONCE = 100
_TENDED_AFTER = 200
"""Rows written: well before SQLite would write the log back by itself, with an append."""

_INSERT = for_each_kind("INSERT INTO {kind} VALUES (?, ?)")
_COUNT = for_each_kind("SELECT COUNT(*) FROM {kind} WHERE id <= ?")
_LAST = for_each_kind("SELECT COALESCE(MAX(id), 0) FROM {kind}")
_ANY = for_each_kind("SELECT 1 FROM {kind} WHERE id > ? AND id <= ? LIMIT 1")
_LET_GO = for_each_kind("DELETE FROM {kind} WHERE id BETWEEN ? AND ?")
_OLDEST = for_each_kind(
    "SELECT * FROM (SELECT id, '{kind}', CAST(body AS BLOB) FROM {kind} WHERE id > :after ORDER BY id LIMIT :count)"
)
_NEXT = " UNION ALL ".join([*_OLDEST.values(), *OLDEST_SHELTERED.values()]) + " ORDER BY id LIMIT :count"
"""The body as bytes, since one that a card garbled may not be text any more."""


@dataclass(frozen=True)
class Batch:
    """Consecutive records of one boot, oldest first; `last_id` is where the next batch goes on."""

    boot: str
    records: tuple[Record, ...]
    last_id: int


class Outbox:
    """Records on disk (SQLite, write-ahead log) until they are acknowledged. All methods may be called from any thread.

    Each start of the agent has a `boot` of its own, a UUID, and counts its records from 1; those of earlier boots keep
    theirs. With `full_sync` off, a killed process loses nothing, but a power cut may take the last records
    (https://www.sqlite.org/pragma.html#pragma_synchronous). File and log take `max_bytes` at most: when they are full the
    oldest samples go first, then the oldest measurements, then the oldest of the requests. What the disk does not take
    is kept in memory, within bounds, and moved to the disk by `tend` once that takes something again. What went is counted.
    Without a `path` it is in memory.
    """

    def __init__(self, path: Path | None, *, max_bytes: int, full_sync: bool = False) -> None:
        self.boot = str(uuid.uuid4())
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self._when_losing: list[Callable[[], None]] = []
        self._losing = False
        self._sequence = 0
        self._written = 0
        self._path = path
        self._database = open_file(path, max_bytes=max_bytes, full_sync=full_sync)
        try:
            self._shelter, self._disk_takes = Shelter(self._database), False
            self._bases, self._boots = self._begun()
            self._waiting = self._count()
            self._losses = Losses(path and path.with_suffix(".lost"))
            self._unkept: Counter[RecordKind] = self._losses.read()
        except sqlite3.Error as error:
            self._database.close()
            raise OutboxFailed(f"outbox {path} cannot be used: {error}; is the disk full?") from error

    def append(self, kind: RecordKind, body: Mapping[str, Any]) -> int:
        """Keeps a record and gives its sequence. When this returns it is in the database, or in memory while the disk takes
        nothing; OutboxFailed where that is full too.

        InvalidInput for a body that could not be sent.
        """
        text = canonical_bytes(body).decode()
        if len(text) > self._max_bytes // _LARGEST_SHARE:
            raise InvalidInput(
                f"a record of {len(text)} characters is too large for an outbox of {self._max_bytes} bytes"
            )
        with self._lock:
            sequence = self._sequence + 1
            with _failing("the outbox cannot keep a record"), self._missed(kind):
                self._kept(kind, self._bases[-1] + sequence, text)
            self._sequence = sequence
            self._waiting += 1
            self._written += 1
            self._count_unkept()
        for listener in self._listeners:
            listener()
        return sequence

    def batch(self, *, after_id: int, max_records: int, max_bytes: int) -> Batch | None:
        """The oldest records behind `after_id` that share a boot, within the limits but at least one; None without any.

        One that cannot be read, as earlier versions and broken cards leave them, is dropped, so that the others get through.
        """
        with self._lock, _failing("the outbox cannot be read"):
            while rows := self._database.execute(_NEXT, {"after": after_id, "count": max_records}).fetchall():
                if found := self._batch_of(rows, max_bytes=max_bytes):
                    return found
        return None

    def waiting(self, *, up_to_id: int) -> int:
        """How many records up to this id are still here."""
        with self._lock, _failing("the outbox cannot be read"):
            return self._count(up_to_id=up_to_id)

    def acknowledge(self, ack: Ack) -> int:
        """Lets the acknowledged records go and tells how many went; what is not here any more is ignored."""
        with self._lock:
            if ack.boot not in self._boots:
                return 0
            spans = list(self._spans(ack))
            sheltered, gone = self._shelter.let_go(spans), 0
            self._waiting -= sheltered
            with _failing("the outbox cannot let go of what was confirmed"), transaction(self._database):
                for span in spans:
                    gone += sum(self._database.execute(sql, span).rowcount for sql in _LET_GO.values())
            self._waiting -= gone
            self._written += gone
            self._losing = self._losing and not gone + sheltered
        return gone + sheltered

    def tend(self) -> None:
        """Writes the log back into the file where it has grown, and records from memory to a disk that takes some again. For
        one thread, beside all others: an append that had to do it would keep its request waiting for the card. OutboxFailed
        where that fails."""
        if self._disk_takes:
            with self._lock, _failing("the outbox cannot keep what waits in memory"):
                self._move(_MOVED_AT_ONCE)
        if self._written < _TENDED_AFTER or self._path is None:
            return
        self._written = 0
        with _failing("the outbox's log cannot be written back"), closing(sqlite3.connect(self._path)) as beside:
            beside.execute("PRAGMA wal_checkpoint(PASSIVE)")

    @property
    def dropped(self) -> dict[RecordKind, int]:
        """Records that were lost to the bound or the disk, or could not be read, since the outbox was made."""
        with self._lock, _failing("the outbox cannot be read"):
            rows = self._database.execute("SELECT kind, count FROM dropped").fetchall()
            return {RecordKind(kind): count + self._unkept[RecordKind(kind)] for kind, count in rows}

    def to_json(self) -> dict[str, Any]:
        """What waits, what of the bound it takes, and what was lost."""
        dropped = {kind.value: count for kind, count in self.dropped.items()}
        with self._lock, _failing("the outbox cannot be read"):
            used = used_bytes(self._database)
        return {"waiting": self._waiting, "bytes": used, "max_bytes": self._max_bytes, "dropped": dropped}

    def __len__(self) -> int:
        return self._waiting

    def on_append(self, listener: Callable[[], None]) -> None:
        """Calls back, on the thread that appended, after each record."""
        self._listeners.append(listener)

    def on_loss(self, listener: Callable[[], None]) -> None:
        """Calls back when records begin to be lost: at the first one since some were acknowledged. It must return at once,
        and ask nothing here."""
        self._when_losing.append(listener)

    def close(self) -> None:
        """What waits in memory gets its last chance."""
        with self._lock:
            if self._shelter.count:
                self._part_with_memory()
            self._count_unkept()
            self._database.close()

    def _begun(self) -> tuple[list[int], list[str]]:
        """This boot, behind all others of which something is here: the id from which each counts, and its UUID."""
        database = self._database
        with transaction(database):
            boots = database.execute("SELECT base, boot FROM boots ORDER BY base").fetchall()
            last = max([*(base for base, _ in boots), *(self._figure(sql) for sql in _LAST.values())])
            ends = [*(base for base, _ in boots[1:]), last]
            kept = [boot for boot, end in zip(boots, ends, strict=False) if self._any_within(boot[0], end)]
            database.execute("DELETE FROM boots")
            database.executemany("INSERT INTO boots VALUES (?, ?)", [*kept, (last, self.boot)])
        return [base for base, _ in kept] + [last], [boot for _, boot in kept] + [self.boot]

    def _any_within(self, base: int, end: int) -> bool:
        return any(self._database.execute(sql, (base, end)).fetchone() for sql in _ANY.values())

    def _count(self, *, up_to_id: int = 1 << 62) -> int:
        return sum(self._figure(sql, up_to_id) for sql in (*_COUNT.values(), *COUNT_SHELTERED.values()))

    def _figure(self, sql: str, *given: int) -> int:
        return int(self._database.execute(sql, given).fetchone()[0])

    def _spans(self, ack: Ack) -> Iterator[tuple[int, int]]:
        """The ids of the acknowledged ranges, none of which reaches into another boot."""
        place = self._boots.index(ack.boot)
        base = self._bases[place]
        end = self._bases[place + 1] if place + 1 < len(self._bases) else base + self._sequence
        for first, last in ack.ranges:
            yield base + max(first, 1), min(base + last, end)

    def _insert(self, kind: RecordKind, row_id: int, text: str) -> None:
        """In place of others where the bound is reached; a disk that is full is another matter."""
        while True:
            try:
                self._database.execute(_INSERT[kind], (row_id, text))
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_FULL or has_room(self._database, len(text)):
                    raise
            self._make_room(kind)

    def _kept(self, kind: RecordKind, row_id: int, text: str) -> None:
        """On the disk, or in memory."""
        try:
            self._insert(kind, row_id, text)
        except sqlite3.Error as error:
            self._disk_takes = False
            before, gone = self._shelter.count, self._shelter.take(kind, row_id, text)
            if gone is None:
                raise
            if not before:
                logger.error("records are kept in memory until the disk takes them: %s", error)
            if gone:
                self._waiting -= sum(gone.values())
                self._note_lost(gone)
        else:
            self._disk_takes = self._shelter.count > 0

    def _move(self, most: int) -> None:
        """So many from memory to the disk, the oldest first; one that counts less than all that is there is dropped and counted."""
        for row_id, kind, text in self._shelter.first(most):
            try:
                self._insert(kind, row_id, text)
            except OutboxFailed:
                self._waiting -= 1
            self._shelter.let_go([(row_id, row_id)])
        self._disk_takes = self._shelter.count > 0
        if not self._disk_takes:
            logger.warning("records are kept on the disk again")

    def _part_with_memory(self) -> None:
        with suppress(sqlite3.Error):
            self._database.execute("PRAGMA synchronous = NORMAL")  # closing flushes them together
            self._move(self._shelter.count)
        if lost := self._shelter.first(self._shelter.count):
            logger.error("%d records that were kept in memory are lost", len(lost))
            self._shelter.let_go((row_id, row_id) for row_id, _, _ in lost)
            self._note_lost(Counter(kind for _, kind, _ in lost))

    def _note_lost(self, counts: Mapping[RecordKind, int]) -> None:
        self._unkept.update(counts)
        self._losses.write(self._unkept)
        self._lost()

    @contextmanager
    def _missed(self, kind: RecordKind) -> Iterator[None]:
        """What the disk does not take is counted here until it takes something again."""
        try:
            yield
        except sqlite3.Error:
            self._note_lost({kind: 1})
            raise

    def _count_unkept(self) -> None:
        if not self._unkept:
            return
        with suppress(sqlite3.Error):  # it stays counted here
            with transaction(self._database):
                for kind, count in self._unkept.items():
                    count_dropped(self._database, kind, count)
            self._unkept.clear()
            self._losses.write(self._unkept)

    def _make_room(self, kind: RecordKind) -> None:
        """Of what counts no more than this kind, the oldest go."""
        for lesser in DROPPED_FIRST[: DROPPED_FIRST.index(kind) + 1]:
            gone = drop_oldest(self._database, lesser, _DROPPED_AT_ONCE)
            self._waiting -= gone
            if gone:
                self._lost()
                return
        count_dropped(self._database, kind, 1)
        self._lost()
        raise OutboxFailed(f"the outbox is full of what counts more than a {kind}; is the backend away?")

    def _batch_of(self, rows: Sequence[tuple[Any, ...]], *, max_bytes: int) -> Batch | None:
        """A batch from the first of these rows; None where none could be read."""
        records: list[Record] = []
        first, last_id, size = 0, 0, 0
        for row_id, kind, body in rows:
            place = bisect_left(self._bases, row_id) - 1
            size += len(body)
            if records and (place != first or size > max_bytes):
                break
            sequence = row_id - self._bases[place]
            try:
                records.append(Record.from_json(_content(sequence, kind, body)))
            except InvalidInput as error:
                logger.error("dropped record %s of boot %.8s from the outbox: %s", sequence, self._boots[place], error)
                self._drop(RecordKind(kind), row_id)
                continue
            first, last_id = place, row_id
        return Batch(boot=self._boots[first], records=tuple(records), last_id=last_id) if records else None

    def _drop(self, kind: RecordKind, row_id: int) -> None:
        with transaction(self._database):
            self._database.execute(_LET_GO[kind], (row_id, row_id))
            self._shelter.let_go([(row_id, row_id)])
            count_dropped(self._database, kind, 1)
        self._waiting -= 1
        self._lost()

    def _lost(self) -> None:
        if not self._losing:
            self._losing = True
            for listener in self._when_losing:
                listener()


def _content(sequence: int, kind: str, body: bytes) -> dict[str, Any]:
    return {"sequence": sequence, "kind": kind, "body": parse_object(body, what="its body")}


@contextmanager
def _failing(what: str) -> Iterator[None]:
    """SQLite's errors in our words: a full, read-only or broken disk."""
    try:
        yield
    except sqlite3.Error as error:
        raise OutboxFailed(f"{what}: {error}; is the disk full or broken?") from error
