"""Which samples a minute was put together of, so that one that comes again counts once: ranges of sequences."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable

Source = tuple[str, int]
"""Boot and sequence of a sample."""

Range = tuple[str, int, int]
"""Boot, first and last sequence."""

MOST_RANGES = 1000
"""Of one minute. A device whose clock stands still has one for ever, in which each record between two samples leaves a gap."""


class Sources:
    """Those of one minute, growing. They are in the order in which their boots came."""

    def __init__(self, ranges: Iterable[Range]) -> None:
        self._by_boot: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        for boot, first, last in ranges:
            self._by_boot[boot].append((first, last))

    def add(self, source: Source) -> bool:
        """Whether it is new."""
        boot, sequence = source
        ranges = self._by_boot[boot]
        place = bisect_right(ranges, sequence, key=lambda each: each[0])
        if place and sequence <= ranges[place - 1][1]:
            return False
        joins_before = place > 0 and ranges[place - 1][1] == sequence - 1
        joins_after = place < len(ranges) and ranges[place][0] == sequence + 1
        first = ranges[place - 1][0] if joins_before else sequence
        last = ranges[place][1] if joins_after else sequence
        ranges[place - joins_before : place + joins_after] = [(first, last)]
        return True

    def ranges(self) -> tuple[Range, ...]:
        """At most `MOST_RANGES`. Beyond them the oldest gaps are closed: a sample that comes as late as that is taken for known;
        then the oldest boots go, of which one that comes again would count twice."""
        surplus = sum(map(len, self._by_boot.values())) - MOST_RANGES
        found: list[Range] = []
        for boot, ranges in self._by_boot.items():
            closed = min(max(surplus, 0), len(ranges) - 1)
            surplus -= closed
            found.append((boot, ranges[0][0], ranges[closed][1]))
            found += ((boot, first, last) for first, last in ranges[closed + 1 :])
        return tuple(found[-MOST_RANGES:])
