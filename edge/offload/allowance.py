"""The day's allowance: how many bytes this device may still send to the cloud."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge import durable
from edge.offload.cloud import AllowanceSpent
from protocol.documents import canonical_bytes, check_schema, field, parse_object
from protocol.errors import DynaSplitError, InvalidInput

logger = logging.getLogger(__name__)

SCHEMA = 1

_FIELDS: tuple[tuple[str, type], ...] = (("day", str), ("bytes", int))

_SHARES = 100
"""So many parts of a day's allowance are put on disk one after the other, each before the first byte of it is sent."""
_CAUTION = 0.9
_OFF = 1.25
"""A row's figure is at most so many times too small; a body that is larger was never thought to fit."""


class Allowance:
    """Bytes of request bodies per day (UTC), over restarts; 0 a day: no limit, and nothing on disk. Thread-safe.

    What is on disk is never less than what was sent: a part of the allowance is written off before it is used, so that a
    power cut costs at most that part, and a day about a hundred writes. `close` writes the exact count. Where what is on
    disk cannot be read, the day counts as spent: a limit that fails must not make bytes free.

    `wall` gives seconds since the epoch, and whether the clock is synchronised. A day that is later than the last one
    begins anew. An earlier one is believed only of a synchronised clock, and then keeps the count: setting the clock
    back makes nothing free.
    """

    def __init__(self, bytes_per_day: int, path: Path, *, wall: Callable[[], tuple[float, bool]]) -> None:
        self._bytes_per_day = bytes_per_day
        self._path = path
        self._wall = wall
        self._lock = threading.Lock()
        self._failing = False
        self._largest = math.inf
        self._day, self._sent = self._stored() if bytes_per_day else ("", 0)
        self._on_disk = self._sent

    def left(self) -> float:
        """What a request may count on today, in bytes; infinite without a limit. Where a body was refused that
        is little more than this, it falls, lest rows that send a little more than their figure be tried in vain all day."""
        if not self._bytes_per_day:
            return math.inf
        with self._lock:
            self._roll()
            return self._promised()

    def check(self, nbytes: int) -> None:
        """AllowanceSpent when so many bytes are more than is left."""
        with self._lock:
            self._refuse_more_than_left(nbytes)

    def take(self, nbytes: int) -> None:
        """Counts bytes that are about to be sent; AllowanceSpent when they are more than is left, and nothing is counted."""
        with self._lock:
            self._refuse_more_than_left(nbytes)
            self._sent += nbytes
            if self._bytes_per_day and self._sent > self._on_disk:
                self._write(min(self._bytes_per_day, self._sent + self._bytes_per_day // _SHARES))

    def to_json(self) -> dict[str, Any]:
        """The day so far: `sent_bytes_today`, and null for what has no limit."""
        with self._lock:
            self._roll()
            return {
                "sent_bytes_today": self._sent,
                "max_bytes_per_day": self._bytes_per_day or None,
                "bytes_left_today": int(max(0.0, self._rest())) if self._bytes_per_day else None,
            }

    def close(self) -> None:
        with self._lock:
            if self._bytes_per_day and self._day:
                self._write(self._sent)

    def _refuse_more_than_left(self, nbytes: int) -> None:
        self._roll()
        if nbytes > self._rest():
            if nbytes <= _OFF * self._promised():
                self._largest = _CAUTION * self._promised()
            raise AllowanceSpent(
                f"{nbytes} bytes are more than this device may still send today "
                f"({self._rest():.0f} of {self._bytes_per_day})"
            )

    def _promised(self) -> float:
        return max(0.0, min(self._rest(), self._largest))

    def _rest(self) -> float:
        return self._bytes_per_day - self._sent if self._bytes_per_day else math.inf

    def _roll(self) -> None:
        """Begins a new day where there is one."""
        now_s, synced = self._wall()
        today = _day(now_s)
        if today > self._day:
            self._day, self._sent, self._on_disk, self._largest = today, 0, 0, math.inf
        elif synced:
            self._day = today

    def _write(self, nbytes: int) -> None:
        """A disk that takes no more is logged, not raised: the count goes on in memory."""
        try:
            durable.replace_content(
                self._path, canonical_bytes({"schema": SCHEMA, "day": self._day, "bytes": nbytes}) + b"\n"
            )
        except OSError as error:
            if not self._failing:
                logger.error("what was sent today cannot be kept, a restart will forget it: %s", error)
            self._failing = True
            return
        self._failing, self._on_disk = False, nbytes

    def _stored(self) -> tuple[str, int]:
        """The last day that was counted; none where the file is not there."""
        try:
            content = parse_object(self._path.read_bytes(), what=str(self._path))
            check_schema(content, current=SCHEMA, what=str(self._path))
            day, sent = (field(content, name, kind, what=str(self._path)) for name, kind in _FIELDS)
            if sent < 0:
                raise InvalidInput(f"{self._path}: bytes must be 0 or more, not {sent}")
            return day, sent
        except FileNotFoundError:
            return "", 0
        except (DynaSplitError, OSError) as error:
            return self._spent(error)

    def _spent(self, error: Exception) -> tuple[str, int]:
        """A whole day, that of the file or today's, the later one; on disk at once, lest a restart find nothing."""
        logger.error("what was sent today is not known, so the day counts as spent: %s", error)
        self._day = max(_day(self._wall()[0]), _day(self._path.stat().st_mtime))
        durable.set_aside(self._path)
        self._write(self._bytes_per_day)
        return self._day, self._bytes_per_day


def _day(epoch_s: float) -> str:
    """The date in UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime(epoch_s))
