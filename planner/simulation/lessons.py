"""What a device has seen, and has not learned from yet."""

from __future__ import annotations

import numpy as np

from planner.pricing import Indices
from planner.simulation.choosers import Asked, Chooser
from planner.simulation.replay import Outcomes


class Lessons:
    """Collects what requests over one link turned out to cost, and teaches it all at once."""

    def __init__(self, chooser: Chooser) -> None:
        self._chooser = chooser
        self._seen: list[tuple[Asked, Indices, Outcomes]] = []
        self.waiting = 0
        """How many requests were not learned from yet."""

    def add(self, asked: Asked, rows: Indices, outcomes: Outcomes) -> None:
        if self._chooser.learns:
            self._seen.append((asked, rows, outcomes))
            self.waiting += len(rows)

    def teach(self) -> None:
        """Lets the chooser learn from all that was collected."""
        if self._seen:
            asked, rows, outcomes = zip(*self._seen, strict=True)
            deadlines_ms = np.concatenate([one.deadlines_ms for one in asked])
            numbers = np.concatenate([one.numbers for one in asked])
            figures = np.concatenate([one.figures for one in outcomes])
            together = Asked(deadlines_ms, numbers, asked[0].link)
            self._chooser.learn(together, np.concatenate(rows), Outcomes(figures))
        self.forget()

    def forget(self) -> None:
        self._seen.clear()
        self.waiting = 0
