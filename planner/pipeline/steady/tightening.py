"""The shortest cycle that an order of tasks allows.

Each task may start once the one before it in its inference, and the one before it on each of its resources, have ended; the
latter may lie some cycles back. A cycle of given length is possible if and only if these differences have no loop that adds
up to more than nothing (Baccelli, Cohen, Olsder and Quadrat, "Synchronization and Linearity", 1992, on timed event graphs), which
the search for longest paths finds out.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from planner.pipeline.instance import Floats
from planner.pipeline.loads import Resource
from planner.pipeline.steady.chains import Task
from planner.pipeline.steady.circle import CLOSE

Indices = npt.NDArray[np.intp]


def tightened(
    tasks: Sequence[Task], starts: Sequence[float], cycle_s: float, least_s: float
) -> tuple[float, list[float]]:
    """The shortest cycle, at least `least_s`, with the order of a schedule of `cycle_s`, and the earliest start of each task then.

    Inferences do not begin before their turn, were all turns of the same length.
    """
    order = _Order.of(tasks, starts, cycle_s)
    times = order.times(least_s)
    if times is not None:
        return least_s, times.tolist()
    low, high = least_s, cycle_s
    times = order.times(high * (1 + CLOSE))
    if times is None:
        return cycle_s, list(starts)
    while high - low > CLOSE * low:
        middle = (low + high) / 2
        found = order.times(middle)
        if found is None:
            low = middle
        else:
            high, times = middle, found
    return high, times.tolist()


@dataclass(frozen=True, eq=False)
class _Order:
    """Task `after` [E] starts at least `seconds` after `before`, less `cycles` cycles, none before its share `enters` of one."""

    before: Indices
    after: Indices
    seconds: Floats
    cycles: Floats
    enters: Floats

    @classmethod
    def of(cls, tasks: Sequence[Task], starts: Sequence[float], cycle_s: float) -> _Order:
        edges = [(one, two, 0) for one, two in pairwise(range(len(tasks))) if tasks[one].turn == tasks[two].turn]
        edges += [
            (one, two, math.ceil((starts[one] + tasks[one].seconds - starts[two]) / cycle_s - CLOSE))
            for one, two in _neighbours(tasks, starts, cycle_s)
        ]
        before, after, cycles = (np.array(each) for each in zip(*edges, strict=True))
        seconds = np.array([task.seconds for task in tasks])[before]
        enters = np.array([task.turn for task in tasks]) / (tasks[-1].turn + 1)
        return cls(before, after, seconds, cycles.astype(np.float64), enters)

    def times(self, cycle_s: float) -> Floats | None:
        """The earliest starts with a cycle of this length; None: it is too short."""
        starts = self.enters * cycle_s
        least = self.seconds - self.cycles * cycle_s
        for _ in range(len(starts) + 1):
            later = starts.copy()
            np.maximum.at(later, self.after, starts[self.before] + least)
            if (later - starts).max() <= 1e-3 * CLOSE * cycle_s:
                return starts
            starts = later
        return None


def _neighbours(tasks: Sequence[Task], starts: Sequence[float], cycle_s: float) -> list[tuple[int, int]]:
    """Which task follows which on a resource, around the cycle; a task alone on a resource follows itself."""
    served: defaultdict[Resource, list[int]] = defaultdict(list)
    for index, task in enumerate(tasks):
        for resource in task.occupies:
            served[resource].append(index)
    found = []
    for indices in served.values():
        indices.sort(key=lambda index: starts[index] % cycle_s)
        found += [(indices[place - 1], index) for place, index in enumerate(indices)]
    return found
