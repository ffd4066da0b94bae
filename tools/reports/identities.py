"""Which records were read already, in little memory."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Hashable
from operator import itemgetter


class Identities:
    """The sequences read so far of each origin (a device and boot), as ranges.

    An outbox numbers its records one after another, so ranges join: memory grows with gaps and boots, not with records.
    """

    def __init__(self) -> None:
        self._ranges: dict[Hashable, list[tuple[int, int]]] = defaultdict(list)

    def add(self, origin: Hashable, sequence: int) -> bool:
        """Whether it was not there yet."""
        ranges = self._ranges[origin]
        place = bisect_right(ranges, sequence, key=itemgetter(0))
        before = ranges[place - 1] if place else None
        after = ranges[place] if place < len(ranges) else None
        if before and sequence <= before[1]:
            return False
        joins_before, joins_after = bool(before and before[1] == sequence - 1), bool(after and after[0] == sequence + 1)
        first = before[0] if before and joins_before else sequence
        last = after[1] if after and joins_after else sequence
        ranges[place - joins_before : place + joins_after] = [(first, last)]
        return True

    def __len__(self) -> int:
        """How many ranges are kept."""
        return sum(map(len, self._ranges.values()))
