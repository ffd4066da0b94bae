"""Serving the requests of a workload as a device would: one head at a time, the earliest deadline first."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import replace

import numpy as np

from planner.choosing.breaker import Breaker
from planner.pricing import Indices
from planner.simulation.choosers import Asked, Chooser
from planner.simulation.lessons import Lessons
from planner.simulation.line import Line, Return, Waiter
from planner.simulation.outages import finished_here
from planner.simulation.replay import Outcomes, World
from planner.simulation.scenario import Stretch, Timeline
from planner.simulation.served import Served, Workload
from protocol.errors import InvalidInput
from protocol.link import Link

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
    lessons, line = Lessons(chooser, link), Line(max_in_flight)
    return _Device(chooser, _Worlds(world, timeline), workload, timeline, lessons=lessons, line=line).serve()


class _Worlds:
    """Which stretch a request belongs to, and what answers there."""

    def __init__(self, world: World, timeline: Timeline) -> None:
        self._over: dict[Link | None, World] = {None: world}
        self._stretches = timeline.stretches()
        self._starts = [stretch.start for stretch in self._stretches]

    def stretch(self, number: int) -> Stretch:
        return self._stretches[bisect_right(self._starts, number) - 1]

    def of(self, stretch: Stretch) -> World:
        if stretch.link is not None and stretch.link not in self._over:
            self._over[stretch.link] = self._over[None].over(stretch.link)
        return self._over[stretch.link]


class _Device:
    """One device in a simulation: whom it asks, who waits for it, and when it is free."""

    def __init__(
        self, chooser: Chooser, worlds: _Worlds, workload: Workload, timeline: Timeline, *, lessons: Lessons, line: Line
    ) -> None:
        self._chooser, self._worlds, self._workload, self._timeline = chooser, worlds, workload, timeline
        self._lessons, self._line = lessons, line
        self._served = Served.nothing(len(workload.deadlines_ms))
        self._breaker = Breaker()
        self._come = 0
        """How many requests have come."""
        self._latest = Waiter(-1, arrived_ms=0.0, due=0.0, answered_ms=0.0)
        """Who came last."""
        self._now_ms = 0.0
        """When the device is free."""

    def serve(self) -> Served:
        while self._come < len(self._timeline.away) or not self._line.empty:
            if self._is_calm():
                self._together()
            else:
                self._turn()
        return self._served

    def _is_calm(self) -> bool:
        """Whether whoever comes now finds everybody answered and the cloud there, as do those after it."""
        if self._come == len(self._timeline.away) or not self._line.empty or self._breaker.failing:
            return False
        settled_ms = max(self._now_ms, self._line.answered_ms())
        return settled_ms <= self._latest.answered_ms and not self._worlds.stretch(self._come).one_by_one

    def _together(self) -> None:
        """Each comes when the one before it is answered, so none waits."""
        stretch = self._worlds.stretch(self._come)
        most = self._lessons.begin(stretch)
        place = slice(self._come, min(self._come + most, stretch.stop))
        asked = self._asked(place)
        rows = self._chooser.rows(asked)
        outcomes = self._worlds.of(stretch).outcomes(rows, self._workload.luck[place])
        self._served.enter(place, rows, outcomes)
        self._lessons.add(asked, rows, outcomes)
        self._lessons.end(stretch, len(rows))
        latency_ms = self._served.latency_ms[place]
        arrived_ms = self._latest.answered_ms + float(latency_ms[:-1].sum())
        self._now_ms = arrived_ms + float(latency_ms[-1])
        self._latest = Waiter(place.stop - 1, arrived_ms, due=arrived_ms, answered_ms=self._now_ms)
        self._come = place.stop

    def _turn(self) -> None:
        """The free device goes to who is next in line, or waits for somebody."""
        self._let_come()
        for later in self._line.back(self._now_ms):
            self._breaker = self._breaker.failed(later.at_ms)
        one = self._line.next(self._now_ms)
        if one is None:
            self._now_ms = min(self._arrival_ms(), self._line.changes_ms())
        elif one.under_way:
            self._finish(one)
        else:
            self._start(one)

    def _let_come(self) -> None:
        while (arrived_ms := self._arrival_ms()) <= self._now_ms:
            due_ms = arrived_ms + float(self._workload.deadlines_ms[self._come])
            self._latest = Waiter(self._come, arrived_ms, due_ms)
            self._line.come(self._latest)
            self._come += 1

    def _arrival_ms(self) -> float:
        """When the next one comes; infinite as long as that is not known, or nobody does."""
        if self._come == len(self._timeline.away):
            return math.inf
        gap_ms = float(self._timeline.gaps_ms[self._come])
        return self._latest.answered_ms if math.isnan(gap_ms) else self._latest.arrived_ms + gap_ms

    def _start(self, one: Waiter) -> None:
        """It holds the device but for its wait for the cloud; that it waited for it counts against its deadline."""
        stretch = self._worlds.stretch(one.number)
        self._lessons.begin(stretch)
        self._line.start(one)
        place = slice(one.number, one.number + 1)
        asked = replace(
            self._asked(place, waited_ms=self._now_ms - one.arrived_ms),
            cloud_available=self._breaker.allows(self._now_ms),
            behind_ms=tuple(due_ms - self._now_ms for due_ms in self._line.dues(_MOST_BEHIND)),
            overlaps=self._line.room,
        )
        rows = self._chooser.rows(asked)
        self._run(one, asked, rows, world=self._worlds.of(stretch))
        self._lessons.end(stretch, 1)

    def _run(self, one: Waiter, asked: Asked, rows: Indices, *, world: World) -> None:
        """What it costs, and what the device learns from it; who waits for the cloud in vain tells nothing of the row."""
        outcomes = world.outcomes(rows, self._workload.luck[asked.numbers])
        sends = bool(outcomes.waiting_ms[0] > 0)
        if sends and self._timeline.away[one.number]:
            self._give_up(one, asked, rows, outcomes, world=world)
            return
        self._served.enter(slice(one.number, one.number + 1), rows, outcomes)
        self._lessons.add(asked, rows, outcomes)
        if sends:
            self._breaker = self._breaker.succeeded()
        self._served.latency_ms[one.number] += self._now_ms - one.arrived_ms
        one.answered_ms = one.arrived_ms + float(self._served.latency_ms[one.number])
        self._now_ms = one.answered_ms - float(outcomes.waiting_ms[0])

    def _give_up(self, one: Waiter, asked: Asked, rows: Indices, planned: Outcomes, *, world: World) -> None:
        """Its head runs, and when it has waited for the cloud in vain it queues for the device again."""
        home = world.outcomes(world.edge_only[:1], self._workload.luck[asked.numbers])
        finished = finished_here(planned, home, deadline_ms=float(asked.deadlines_ms[0]))
        self._served.enter(slice(one.number, one.number + 1), rows, finished.outcomes)
        self._served.fallback[one.number] = True
        self._now_ms += float(planned.head_ms[0])
        self._line.leave(Return(one, self._now_ms + finished.waited_ms, finished.home_ms))

    def _finish(self, one: Waiter) -> None:
        self._now_ms += self._line.finish(one)
        one.answered_ms = self._now_ms
        self._served.latency_ms[one.number] = one.answered_ms - one.arrived_ms

    def _asked(self, place: slice, *, waited_ms: float = 0.0) -> Asked:
        left_ms = self._workload.deadlines_ms[place] - waited_ms
        return Asked(left_ms, np.arange(place.start, place.stop), self._lessons.believed)
