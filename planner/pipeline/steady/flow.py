"""Inferences through a pipeline, each task as soon as its turn, its inference and its resources allow."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from planner.pipeline.instance import Floats
from planner.pipeline.loads import Resource
from planner.pipeline.steady.chains import Task
from planner.pipeline.steady.rhythm import Rhythm


@dataclass(eq=False)
class Jitter:
    """Factors of tasks' times: lognormal, with mean 1 and the coefficient of variation `share`."""

    share: float
    rng: np.random.Generator

    def factors(self, count: int) -> Iterator[float]:
        """So many of them."""
        if not self.share:
            return iter(np.ones(count).tolist())
        variance = math.log1p(self.share**2)
        return iter(self.rng.lognormal(-variance / 2, math.sqrt(variance), count).tolist())


@dataclass(eq=False)
class Flow:
    """What happens to the inferences that come at `arrivals_s` [n], until `until_s`.

    Where `held_back`, no more are in the pipeline at once than the rhythm's depth. `entered_s` and `left_s` [n] tell when each
    began and ended; `busy_s` what each resource worked until then.
    """

    rhythm: Rhythm
    arrivals_s: Floats
    held_back: bool
    until_s: float = math.inf
    busy_s: defaultdict[Resource, float] = field(default_factory=lambda: defaultdict(float))

    def run(self, jitter: Jitter) -> None:
        """Lets all of them through."""
        count = len(self.arrivals_s)
        self._reached = self.arrivals_s.tolist()
        self.entered_s, self.left_s = np.zeros(count), np.zeros(count)
        self._free: defaultdict[Resource, float] = defaultdict(float)
        beats, turns = self.rhythm.beats, self.rhythm.turns
        factors = jitter.factors(count * len(beats) // turns + len(beats))
        for cycle in range(-(-count // turns) + max(beat.behind for beat in beats)):
            for beat in beats:
                index = (cycle - beat.behind) * turns + beat.task.turn
                if 0 <= index < count:
                    self._do(beat.task, index, next(factors))

    def _do(self, task: Task, index: int, factor: float) -> None:
        begins = max(self._ready(task, index), *(self._free[each] for each in task.occupies), 0.0)
        ends = begins + task.seconds * factor
        for resource in task.occupies:
            self._free[resource] = ends
            self.busy_s[resource] += min(ends, self.until_s) - min(begins, self.until_s)
        if task.position == 0:
            self.entered_s[index] = begins
        self._reached[index] = self.left_s[index] = ends

    def _ready(self, task: Task, index: int) -> float:
        ready: float = self._reached[index]
        if task.position == 0 and self.held_back and index >= self.rhythm.depth:
            return max(ready, float(self.left_s[index - self.rhythm.depth]))
        return ready
