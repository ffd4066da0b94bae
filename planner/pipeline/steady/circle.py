"""Time that repeats: what is busy when, around a circle of so many seconds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

from planner.pipeline.loads import Resource
from planner.pipeline.steady.chains import Task

CLOSE = 1e-9
"""Times closer than this share of the circle are the same."""


class Circle:
    """Which resources are busy when, `seconds` around."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._slack = CLOSE * seconds
        self._busy: defaultdict[Resource, list[tuple[float, float]]] = defaultdict(list)

    def earliest(self, task: Task, ready_s: float) -> float | None:
        """When the task can start, from `ready_s` on; None: at no time at all."""
        if not task.occupies:
            return ready_s
        if task.seconds > self.seconds + self._slack:
            return None
        return next((start for start in self._candidates(task, ready_s) if self._is_free(task, start)), None)

    def take(self, task: Task, start_s: float) -> None:
        """Keeps busy what the task occupies."""
        for resource in task.occupies:
            self._busy[resource].append((start_s % self.seconds, task.seconds))

    def _candidates(self, task: Task, ready_s: float) -> Iterator[float]:
        yield ready_s
        ends = (start + length for resource in task.occupies for start, length in self._busy[resource])
        yield from sorted(ready_s + (end - ready_s) % self.seconds for end in ends)

    def _is_free(self, task: Task, start_s: float) -> bool:
        for resource in task.occupies:
            for start, length in self._busy[resource]:
                after = (start_s - start) % self.seconds
                if after < length - self._slack or after + task.seconds > self.seconds + self._slack:
                    return False
        return True


def place_of(at_s: float, seconds: float) -> tuple[int, float]:
    """How often a time has been around, and where on the circle it lies; what is as good as once around more is that, at 0."""
    around, offset_s = divmod(at_s, seconds)
    return (int(around) + 1, 0.0) if seconds - offset_s <= CLOSE * seconds else (int(around), offset_s)


def next_at(offset_s: float, ready_s: float, seconds: float) -> float:
    """The first time from `ready_s` on that lies at `offset_s` of the circle."""
    late = (ready_s - offset_s) / seconds
    return offset_s + math.ceil(late - CLOSE) * seconds
