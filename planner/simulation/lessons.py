"""What a device believes of its link, and what it has seen and not learned from yet."""

from __future__ import annotations

import numpy as np

from planner.pricing import Indices
from planner.simulation.choosers import Asked, Chooser
from planner.simulation.replay import Outcomes
from planner.simulation.scenario import Stretch
from protocol.link import Link

LARGEST_CHUNK = 4096
_CHUNK_SHARE = 16
_UNTAUGHT_CHUNK = 131_072
"""For who does not learn: as much as fits the memory well."""


def chunk_size(served: int) -> int:
    """How many requests are decided before the next lesson, after so many were served."""
    return min(max(1, served // _CHUNK_SHARE), LARGEST_CHUNK)


class Lessons:
    """Collects what requests over one link turned out to cost, and teaches it all at once, a chunk after the other.

    `link`: what the device believes in at first, and what a stretch without one has. It knows of a new link after one
    request over it, of which it learns nothing else.
    """

    def __init__(self, chooser: Chooser, link: Link) -> None:
        self._chooser = chooser
        self.believed = self._recorded = link
        self._seen: list[tuple[Asked, Indices, Outcomes]] = []
        self._waiting = self._served = self._size = 0
        self._stretch: Stretch | None = None

    def begin(self, stretch: Stretch) -> int:
        """Before requests of a stretch are decided; how many may be decided together. `end` follows."""
        if stretch is not self._stretch:
            self._teach()
            self._stretch = stretch
        self._size = chunk_size(self._served - self._waiting) if self._chooser.learns else _UNTAUGHT_CHUNK
        return self._size if self._link(stretch) == self.believed else 1

    def add(self, asked: Asked, rows: Indices, outcomes: Outcomes) -> None:
        if self._chooser.learns:
            self._seen.append((asked, rows, outcomes))
            self._waiting += len(rows)

    def end(self, stretch: Stretch, served: int) -> None:
        """So many requests of the stretch were decided, and `add` told what they cost as far as it says something."""
        self._served += served
        if (link := self._link(stretch)) != self.believed:
            self._forget()
            self.believed = link
        elif self._waiting >= self._size:
            self._teach()

    def _link(self, stretch: Stretch) -> Link:
        return stretch.link or self._recorded

    def _teach(self) -> None:
        """Lets the chooser learn from all that was collected."""
        if self._seen:
            asked, rows, outcomes = zip(*self._seen, strict=True)
            deadlines_ms = np.concatenate([one.deadlines_ms for one in asked])
            numbers = np.concatenate([one.numbers for one in asked])
            figures = np.concatenate([one.figures for one in outcomes])
            together = Asked(deadlines_ms, numbers, asked[0].link)
            self._chooser.learn(together, np.concatenate(rows), Outcomes(figures))
        self._forget()

    def _forget(self) -> None:
        self._seen.clear()
        self._waiting = 0
