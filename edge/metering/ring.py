"""The ring: samples of power in memory that the sampler writes and the front reads, without a lock between them."""

from __future__ import annotations

import bisect
import mmap
import os
from dataclasses import dataclass
from enum import IntEnum

_CAPACITY = 8192
"""Samples: over two minutes at the densest, over thirteen at 10 Hz."""

_HEADER = 8
_FIELDS = 7
_CELL_BYTES = 8
_BYTES = (_HEADER + _CAPACITY * _FIELDS) * _CELL_BYTES

_UNSAFE = 64
"""Of the oldest samples, those that the writer may be about to replace."""


class Kind(IntEnum):
    """What stands behind a sample: watts alone, a joule counter, or a meter that was lost."""

    WATTS = 0
    COUNTER = 1
    LOST = 2


class _Cell(IntEnum):
    WRITTEN = 0
    HEARTBEAT_S = 1
    GAPS = 2
    LONGEST_GAP_S = 3


@dataclass(frozen=True, slots=True)
class Slot:
    """One sample: `watts` drawn at `at_s` (CLOCK_MONOTONIC, which is one for all processes of a Linux machine), the
    `joules` of all samples up to it, and how often the counting had gaps before it. Of a lost meter, its last watts."""

    at_s: float
    watts: float
    joules: float
    gaps: int
    kind: Kind


class Torn(LookupError):
    """A sample was replaced while it was read, or is not whole yet. Rare; there is no use in asking again."""


class Ring:
    """Shared memory of one writer and any number of readers.

    A reader may see a sample half-written, on ARM even after its number: so each sample carries its number and a sum over
    its fields, and one that does not fit is `Torn`. Never raised by `latest`, which then takes the one before.
    """

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, _BYTES)
        self._cells = memoryview(self._memory).cast("d")

    @classmethod
    def create(cls) -> tuple[Ring, int]:
        """A new one, all zero, and its file descriptor for the other process."""
        descriptor = os.memfd_create("dynasplit-samples")
        os.ftruncate(descriptor, _BYTES)
        return cls(descriptor), descriptor

    @property
    def written(self) -> int:
        """Samples so far."""
        return int(self._cells[_Cell.WRITTEN])

    @property
    def heartbeat_s(self) -> float:
        """When the writer last showed a sign of life; 0 before the first."""
        return self._cells[_Cell.HEARTBEAT_S]

    @property
    def stalls(self) -> tuple[int, float]:
        """How often the writer was kept from sampling for too long, and the longest time in seconds."""
        return int(self._cells[_Cell.GAPS]), self._cells[_Cell.LONGEST_GAP_S]

    def beat(self, at_s: float) -> None:
        """A sign of life."""
        self._cells[_Cell.HEARTBEAT_S] = at_s

    def stalled(self, seconds: float, *, counts: bool) -> None:
        """The writer's time between two samples; one that `counts` was too long."""
        self._cells[_Cell.GAPS] += counts
        self._cells[_Cell.LONGEST_GAP_S] = max(self._cells[_Cell.LONGEST_GAP_S], seconds)

    def write(self, slot: Slot) -> None:
        """The next sample; for the one writer."""
        number = self.written
        values = (float(number), slot.at_s, slot.watts, slot.joules, float(slot.gaps), float(slot.kind))
        place = _place(number)
        for offset, value in enumerate((*values, sum(values))):
            self._cells[place + offset] = value
        self._cells[_Cell.WRITTEN] = float(number + 1)

    def latest(self) -> Slot | None:
        """The newest sample; None before the first."""
        written = self.written
        for number in (written - 1, written - 2):
            if number >= 0:
                try:
                    return self._slot(number)
                except Torn:
                    continue
        return None

    def around(self, at_s: float) -> tuple[Slot | None, Slot | None]:
        """The last sample at or before a moment and the first after it; None where there is none."""
        numbers = self._numbers()
        place = bisect.bisect_right(numbers, at_s, key=lambda number: self._slot(number).at_s)
        before = self._slot(numbers[place - 1]) if place else None
        after = self._slot(numbers[place]) if place < len(numbers) else None
        return before, after

    def since(self, at_s: float) -> list[Slot]:
        """All samples after a moment that are still here, oldest first."""
        numbers = self._numbers()
        place = bisect.bisect_right(numbers, at_s, key=lambda number: self._slot(number).at_s)
        return [self._slot(number) for number in numbers[place:]]

    def close(self) -> None:
        """Gives the memory back; nothing may be asked after it."""
        self._cells.release()
        self._memory.close()

    def _numbers(self) -> range:
        written = self.written
        return range(max(0, written - _CAPACITY + _UNSAFE), written)

    def _slot(self, number: int) -> Slot:
        place = _place(number)
        *values, check = self._cells[place : place + _FIELDS].tolist()
        if values[0] != number or sum(values) != check:
            raise Torn(f"sample {number} was replaced while it was read")
        _, at_s, watts, joules, gaps, kind = values
        return Slot(at_s, watts, joules, int(gaps), Kind(int(kind)))


def _place(number: int) -> int:
    return _HEADER + number % _CAPACITY * _FIELDS
