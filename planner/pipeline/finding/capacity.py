"""Whether nodes have the memory for a network by themselves, in whatever order they stand and links let them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from planner.pipeline.instance import Instance

_MOST_STATES = 20_000


class MemoryOf:
    """How far a stage on each node reaches from each point."""

    def __init__(self, instance: Instance) -> None:
        self.capacity_bytes = instance.capacity_bytes
        self.points = instance.pieces.count
        self._needed = instance.pieces.memory_bytes

    def reach(self, capacity_bytes: float) -> list[int]:
        """[P+1]: the farthest point to which a stage may run from each; the point itself where not even one piece fits."""
        # What a stage needs grows with its end, so that those which fit are the nearest.
        fitting = (self._needed < capacity_bytes).sum(axis=1).tolist()
        return [point + count for point, count in enumerate(fitting)]


def nodes_missing(memory: MemoryOf, nodes: Iterable[int]) -> int:
    """How many nodes more, as large as the largest of all, these need at least to hold all pieces; 0: they hold them.

    Exact where the nodes are of few sizes; else all of them count as the largest, which may say too few, never too many.
    P + 1 where no number would do.
    """
    sizes = Counter(memory.capacity_bytes[list(nodes)].tolist())
    largest = float(memory.capacity_bytes.max())
    if math.prod(count + 1 for count in sizes.values()) > _MOST_STATES:
        sizes = Counter({largest: sizes.total()})
    missing = 0
    while missing <= memory.points and not _holds(memory, sizes):
        sizes[largest] += 1
        missing += 1
    return missing


def _holds(memory: MemoryOf, sizes: Counter[float]) -> bool:
    """Whether so many nodes of each size hold all pieces in some order: the farthest point by how many of each were used."""
    kinds = sorted(sizes)
    reach = [memory.reach(size) for size in kinds]
    farthest = {(0,) * len(kinds): 0}
    for _ in range(sizes.total()):
        further: dict[tuple[int, ...], int] = {}
        for used, point in farthest.items():
            for kind, size in enumerate(kinds):
                if used[kind] < sizes[size]:
                    more = (*used[:kind], used[kind] + 1, *used[kind + 1 :])
                    further[more] = max(further.get(more, 0), reach[kind][point])
        farthest = further
        if memory.points in farthest.values():
            return True
    return False
