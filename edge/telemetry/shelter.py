"""A shelter for records that the disk does not take while the agent runs: in memory, beside the outbox's own tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from edge.telemetry.outbox_file import DROPPED_FIRST, for_each_kind
from protocol.messages import RecordKind

_MOST_BYTES = 16 << 20
_DROPPED_AT_ONCE = 32

_CREATE = for_each_kind("CREATE TEMP TABLE IF NOT EXISTS {kind}_sheltered (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")
_INSERT = for_each_kind("INSERT INTO temp.{kind}_sheltered VALUES (?, ?)")
_BODIES = for_each_kind(
    "SELECT id, LENGTH(body) FROM temp.{kind}_sheltered WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?"
)
_DELETE = for_each_kind("DELETE FROM temp.{kind}_sheltered WHERE id = ?")
_FIRST = for_each_kind("SELECT * FROM (SELECT id, '{kind}', body FROM temp.{kind}_sheltered ORDER BY id LIMIT :count)")
_ALL = (0, (1 << 63) - 1)

COUNT_SHELTERED = for_each_kind("SELECT COUNT(*) FROM temp.{kind}_sheltered WHERE id <= ?")
OLDEST_SHELTERED = for_each_kind(
    "SELECT * FROM (SELECT id, '{kind}', CAST(body AS BLOB) FROM temp.{kind}_sheltered WHERE id > :after ORDER BY id LIMIT :count)"
)


class Shelter:
    """Temporary tables of the outbox's connection (https://www.sqlite.org/pragma.html#pragma_temp_store), so that one statement
    sees both. They take 16 MiB at most, and are gone with the process. For one thread at a time."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._nbytes = 0
        self.count = 0
        database.execute("PRAGMA temp_store = MEMORY")
        for sql in _CREATE.values():
            database.execute(sql)

    def take(self, kind: RecordKind, row_id: int, text: str) -> dict[RecordKind, int] | None:
        """Keeps a record in place of older ones that count no more; how many of which kind went, None where it has no room."""
        gone: dict[RecordKind, int] = {}
        for lesser in DROPPED_FIRST[: DROPPED_FIRST.index(kind) + 1]:
            while self._nbytes + len(text) > _MOST_BYTES and (dropped := self._let_go(lesser, *_ALL, _DROPPED_AT_ONCE)):
                gone[lesser] = gone.get(lesser, 0) + dropped
        if self._nbytes + len(text) > _MOST_BYTES:
            return None
        self._database.execute(_INSERT[kind], (row_id, text))
        self._nbytes += len(text)
        self.count += 1
        return gone

    def first(self, count: int) -> list[tuple[int, RecordKind, str]]:
        """Id, kind and body of the oldest."""
        sql = " UNION ALL ".join(_FIRST.values()) + " ORDER BY id LIMIT :count"
        return [
            (row_id, RecordKind(kind), body) for row_id, kind, body in self._database.execute(sql, {"count": count})
        ]

    def let_go(self, spans: Iterable[tuple[int, int]]) -> int:
        """Lets the records of these ids go, and tells how many there were."""
        if not self.count:
            return 0
        return sum(self._let_go(kind, first, last) for first, last in spans for kind in RecordKind)

    def _let_go(self, kind: RecordKind, first: int, last: int, most: int = -1) -> int:
        found = self._database.execute(_BODIES[kind], (first, last, most)).fetchall()
        self._database.executemany(_DELETE[kind], [(row_id,) for row_id, _ in found])
        self._nbytes -= sum(size for _, size in found)
        self.count -= len(found)
        return len(found)
