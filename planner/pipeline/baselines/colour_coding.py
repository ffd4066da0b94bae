"""Simple paths of a given length by colour coding.

Nodes are coloured at random in as many colours as the path has nodes; a path of all colours passes no node twice, and whether
there is one is told by which sets of colours lead to each node (Alon, Yuster and Zwick, "Color-coding", Journal of the ACM 42(4),
1995). A path that exists is missed when no colouring gave its nodes different colours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from planner.pipeline.bits import packed
from planner.pipeline.instance import Flags, Floats

_MISSED = 1e-4
_MOST_COLOURINGS = 500
"""Up to five nodes a path is missed less often than one time in 10,000; from six on, this bounds the work."""

Path = tuple[int, ...]


def widest_path(
    rate: Floats, length: int, starts: Iterable[int], ends: Iterable[int], rng: np.random.Generator
) -> Path | None:
    """Distinct nodes, so many, from one of `starts` to one of `ends`, whose slowest link is as fast as one is found for.

    `rate` [N, N], 0 where there is no link. Thresholds are halved over the rates that there are. None: no path was found.
    """
    starts, ends = set(starts), set(ends)
    if length == 1:
        both = sorted(starts & ends)
        return (both[0],) if both else None
    thresholds = np.unique(rate[rate > 0])
    found, low, high = None, 0, len(thresholds)
    while low < high:
        middle = (low + high) // 2
        path = path_of(rate >= thresholds[middle], length, starts, ends, rng)
        if path is None:
            high = middle
        else:
            slowest = min(rate[one, other] for one, other in pairwise(path))
            found, low = path, int(np.searchsorted(thresholds, slowest, side="right"))
    return found


def path_of(links: Flags, length: int, starts: set[int], ends: set[int], rng: np.random.Generator) -> Path | None:
    """A path of distinct nodes over these links, [N, N] from row to column, any of those that a colouring shows; None where no
    colouring shows one."""
    senders = [np.flatnonzero(column).tolist() for column in links.T]
    for _ in range(_colourings(length)):
        colours = rng.integers(0, length, len(links)).tolist()
        path = _Colouring(senders, colours, length).path(starts, ends, rng)
        if path is not None:
            return path
    return None


def _colourings(length: int) -> int:
    """How many it takes until a path is missed as rarely as can be afforded."""
    chance = math.factorial(length) / length**length
    return min(_MOST_COLOURINGS, math.ceil(math.log(_MISSED) / math.log1p(-chance)))


class _Colouring:
    """Bit S of `reached[step][node]`: a path of step + 1 nodes whose colours are the set S ends at the node."""

    def __init__(self, senders: list[list[int]], colours: list[int], count: int) -> None:
        self._senders, self._colours, self._count = senders, colours, count
        sets = np.arange(1 << count)
        self._without = [packed(sets >> colour & 1 == 0) for colour in range(count)]

    def path(self, starts: set[int], ends: set[int], rng: np.random.Generator) -> Path | None:
        reached = [[1 << (1 << colour) if node in starts else 0 for node, colour in enumerate(self._colours)]]
        for _ in range(self._count - 1):
            reached.append(self._longer(reached[-1]))
        complete = 1 << ((1 << self._count) - 1)
        lasts = [node for node in sorted(ends) if reached[-1][node] & complete]
        return self._traced(reached, int(rng.choice(lasts)), rng) if lasts else None

    def _longer(self, reached: list[int]) -> list[int]:
        longer = []
        for senders, colour in zip(self._senders, self._colours, strict=True):
            joined = 0
            for sender in senders:
                joined |= reached[sender]
            longer.append((joined & self._without[colour]) << (1 << colour))
        return longer

    def _traced(self, reached: list[list[int]], last: int, rng: np.random.Generator) -> Path:
        path, colours = [last], (1 << self._count) - 1
        for step in reversed(reached[:-1]):
            colours ^= 1 << self._colours[path[-1]]
            path.append(int(rng.choice([each for each in self._senders[path[-1]] if step[each] >> colours & 1])))
        return tuple(reversed(path))
