"""Serving the requests of a workload one after the other, as a device would."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np

from planner.choosing.breaker import Breaker
from planner.pricing import Indices
from planner.simulation.choosers import Asked, Chooser
from planner.simulation.lessons import Lessons
from planner.simulation.outages import finished_here
from planner.simulation.replay import Outcomes, World
from planner.simulation.scenario import Stretch, Timeline
from planner.simulation.served import Served, Workload
from protocol.errors import InvalidInput
from protocol.link import Link

LARGEST_CHUNK = 4096
_CHUNK_SHARE = 16
_UNTAUGHT_CHUNK = 131_072
"""For who does not learn: as much as fits the memory well."""
MAX_IN_FLIGHT = 2
"""As an agent's setting of that name has it."""
_MOST_BEHIND = 8
"""So many of those who wait are seen by whoever decides: as many as may wait on a device."""


def serve(
    chooser: Chooser,
    world: World,
    workload: Workload,
    *,
    timeline: Timeline,
    link: Link,
    max_in_flight: int = MAX_IN_FLIGHT,
) -> Served:
    """Decides and runs all requests. `link` is the one that was recorded, and what the device believes at first.
    `max_in_flight` may be under way at once: while one waits for the cloud, the next one's head runs.

    Requests that do not depend on each other are served in chunks: a chunk is decided before its outcomes are drawn, and
    learned from before the next one. Chunks grow with what was served, so that a mistake is soon learned from. The device
    knows of a new link one request later. InvalidInput where the cloud is away and the world has no edge-only run.
    """
    if timeline.away.any() and not len(world.edge_only):
        raise InvalidInput("scenario: the cloud is away, and no edge-only run was recorded that could serve then")
    device = _Device(chooser, workload, timeline, link=link, max_in_flight=max_in_flight)
    for stretch in timeline.stretches():
        device.serve(stretch, world if stretch.link is None else world.over(stretch.link), stretch.link or link)
    return device.served


def chunk_size(served: int) -> int:
    """How many requests are decided before the next lesson, after so many were served."""
    return min(max(1, served // _CHUNK_SHARE), LARGEST_CHUNK)


class _Device:
    """One device in a simulation: which link it believes in, whom it asks, and when it answered last."""

    def __init__(
        self, chooser: Chooser, workload: Workload, timeline: Timeline, *, link: Link, max_in_flight: int
    ) -> None:
        self.served = Served.nothing(len(workload.deadlines_ms))
        self._chooser, self._workload, self._timeline = chooser, workload, timeline
        self._max_in_flight = max_in_flight
        self._believed = link
        self._lessons = Lessons(chooser)
        self._breaker = Breaker()
        self._arrived_ms = self._answered_ms = self._free_ms = 0.0
        self._ends_ms: deque[float] = deque(maxlen=max_in_flight)
        """When the latest requests are answered: of so many, one at least must be before the next one starts."""

    def serve(self, stretch: Stretch, world: World, link: Link) -> None:
        """Serves a stretch. Its first request is decided by the link before it, and teaches the new one only."""
        number = stretch.start
        self._lessons.teach()
        if link != self._believed:
            number = self._next(number, stretch, world, most=1)
            self._lessons.forget()
            self._believed = link
        while number < stretch.stop:
            size = chunk_size(number - self._lessons.waiting) if self._chooser.learns else _UNTAUGHT_CHUNK
            number = self._next(number, stretch, world, most=size)
            if self._lessons.waiting >= size:
                self._lessons.teach()

    def _next(self, number: int, stretch: Stretch, world: World, *, most: int) -> int:
        """Serves one request or several; the number of the one after them."""
        if stretch.one_by_one or self._breaker.failing:
            self._alone(number, world)
            return number + 1
        stop = min(number + most, stretch.stop)
        self._together(slice(number, stop), world)
        return stop

    def _together(self, place: slice, world: World) -> None:
        """Each comes when the one before it is answered, so none waits."""
        asked = self._asked(place)
        rows = self._chooser.rows(asked)
        outcomes = world.outcomes(rows, self._workload.luck[place])
        self.served.enter(place, rows, outcomes)
        self._lessons.add(asked, rows, outcomes)
        latency_ms = self.served.latency_ms[place]
        self._arrived_ms = self._answered_ms + float(latency_ms[:-1].sum())
        self._free_ms = self._answered_ms = self._arrived_ms + float(latency_ms[-1])
        self._ends_ms.append(self._answered_ms)

    def _alone(self, number: int, world: World) -> None:
        """One request: it waits until the device is free and no more are under way than may, which counts against its
        deadline. It holds the device but for its wait for the cloud; one that is finished here after all, to its end."""
        gap_ms = float(self._timeline.gaps_ms[number])
        self._arrived_ms = self._answered_ms if np.isnan(gap_ms) else self._arrived_ms + gap_ms
        start_ms = max(self._arrived_ms, self._free_ms, self._room_ms())
        place, waited_ms = slice(number, number + 1), start_ms - self._arrived_ms
        asked = replace(
            self._asked(place, waited_ms=waited_ms),
            cloud_available=self._breaker.allows(start_ms),
            behind_ms=self._behind_ms(number, start_ms),
            overlaps=sum(end_ms > start_ms for end_ms in self._ends_ms) + 1 < self._max_in_flight,
        )
        rows = self._chooser.rows(asked)
        outcomes = self._run(asked, rows, world, start_ms=start_ms)
        self.served.enter(place, rows, outcomes)
        self.served.latency_ms[number] += waited_ms
        self._answered_ms = self._arrived_ms + float(self.served.latency_ms[number])
        away_ms = 0.0 if self.served.fallback[number] else float(outcomes.waiting_ms[0])
        self._free_ms = self._answered_ms - away_ms
        self._ends_ms.append(self._answered_ms)

    def _room_ms(self) -> float:
        """When fewer are under way than may."""
        return min(self._ends_ms) if len(self._ends_ms) == self._max_in_flight else 0.0

    def _run(self, asked: Asked, rows: Indices, world: World, *, start_ms: float) -> Outcomes:
        """What it costs one request, and what the device learns from it; a fallback tells nothing of the row."""
        number = int(asked.numbers[0])
        luck = self._workload.luck[asked.numbers]
        outcomes = world.outcomes(rows, luck)
        sends = bool(outcomes.waiting_ms[0] > 0)
        if sends and self._timeline.away[number]:
            home = world.outcomes(world.edge_only[:1], luck)
            outcomes = finished_here(outcomes, home, deadline_ms=float(asked.deadlines_ms[0]))
            self.served.fallback[number] = True
            self._breaker = self._breaker.failed(start_ms + float(outcomes.latency_ms[0]))
            return outcomes
        self._lessons.add(asked, rows, outcomes)
        if sends:
            self._breaker = self._breaker.succeeded()
        return outcomes

    def _asked(self, place: slice, *, waited_ms: float = 0.0) -> Asked:
        left_ms = self._workload.deadlines_ms[place] - waited_ms
        return Asked(left_ms, np.arange(place.start, place.stop), self._believed)

    def _behind_ms(self, number: int, now_ms: float) -> tuple[float, ...]:
        """What is left of the deadlines of those who came after a request and wait by now, in their order."""
        followers = slice(number + 1, number + 1 + _MOST_BEHIND)
        arrivals_ms = self._arrived_ms + np.cumsum(self._timeline.gaps_ms[followers])
        left_ms = self._workload.deadlines_ms[followers] + arrivals_ms - now_ms
        return tuple(left_ms[arrivals_ms <= now_ms].tolist())
