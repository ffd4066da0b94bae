"""A refuge for records while the disk is full or broken: an outbox in memory, which moves to the disk once that is well again."""

from __future__ import annotations

import logging
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

from edge.telemetry.losses import Losses
from edge.telemetry.outbox import Outbox
from edge.telemetry.outbox_file import OutboxFailed, all_records, count_dropped, forget_boot, open_file, transaction
from edge.telemetry.shelter import Shelter
from hardware.clock import Clock
from protocol.messages import RecordKind

logger = logging.getLogger(__name__)

_IN_MEMORY_BYTES = 16 << 20
_TRY_EVERY_S = 30.0


def open_outbox(path: Path, *, max_bytes: int, full_sync: bool = False, clock: Clock = time.monotonic) -> Outbox:
    """The outbox in a file, or in memory as long as that cannot be opened: a device whose disk is full or broken still serves."""
    try:
        return Outbox(path, max_bytes=max_bytes, full_sync=full_sync)
    except OutboxFailed as error:
        logger.error("records are kept in memory until the disk takes them: %s", error)
        return Refuge(path, max_bytes=max_bytes, full_sync=full_sync, clock=clock)


class Refuge(Outbox):
    """An outbox in memory, small and gone with the process, that becomes the one in the file when it is tended.

    What it drops, since it is small, is counted there as well. The boot stays the same, and so does each record's sequence.
    """

    def __init__(self, path: Path, *, max_bytes: int, full_sync: bool, clock: Clock) -> None:
        super().__init__(None, max_bytes=min(max_bytes, _IN_MEMORY_BYTES))
        self._place = path
        self._most_bytes = max_bytes
        self._full_sync = full_sync
        self._clock = clock
        self._tried_s = clock()

    def tend(self) -> None:
        if self._path is None and self._clock() - self._tried_s >= _TRY_EVERY_S:
            self._tried_s = self._clock()
            self._try_to_move()
        super().tend()

    def close(self) -> None:
        """What no disk takes even now, and nobody confirmed, is lost."""
        if self._path is None and not self._try_to_move() and len(self):
            logger.error("%d records that were kept in memory are lost", len(self))
        super().close()

    def _try_to_move(self) -> bool:
        try:
            database = open_file(self._place, max_bytes=self._most_bytes)
        except OutboxFailed as error:
            logger.debug("records stay in memory: %s", error)
            return False
        try:
            with self._lock:
                self._move_over(database)
        except sqlite3.Error as error:
            database.close()
            logger.debug("records stay in memory: %s", error)
            return False
        logger.warning("records are kept on the disk again, in %s", self._place)
        return True

    def _move_over(self, database: sqlite3.Connection) -> None:
        """All of it, or back to memory. Not flushed one by one, since requests wait meanwhile."""
        memory = self._database
        before = (self._database, self._shelter, self._bases, self._boots, self._waiting)
        try:
            forget_boot(database, self.boot)
            self._database, self._shelter = database, Shelter(database)
            self._bases, self._boots = self._begun()
            for sequence, kind, text in all_records(memory):
                with suppress(OutboxFailed):  # for one that counts less than all that is there; it is counted
                    self._insert(kind, self._bases[-1] + sequence, text)
            self._count_over(memory)
            self._waiting = self._count()
        except sqlite3.Error:
            self._database, self._shelter, self._bases, self._boots, self._waiting = before
            raise
        self._path, self._max_bytes = self._place, self._most_bytes
        self._losses = Losses(self._place.with_suffix(".lost"))
        self._unkept += self._losses.read()
        if self._full_sync:
            database.execute("PRAGMA synchronous = FULL")
        memory.close()

    def _count_over(self, memory: sqlite3.Connection) -> None:
        with transaction(self._database):
            for kind, count in memory.execute("SELECT kind, count FROM dropped").fetchall():
                count_dropped(self._database, RecordKind(kind), count)
