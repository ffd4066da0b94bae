"""Serving the requests of a workload one after the other, as a device would."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.pricing import Flags, Floats, Indices
from planner.replay import Outcomes, World
from planner.scenario import Stretch, Timeline
from planner.simulation.choosers import Asked, Chooser
from planner.simulation.outages import Breaker, finished_here
from protocol.configuration import Account
from protocol.errors import InvalidInput
from protocol.link import Link

LARGEST_CHUNK = 4096
_CHUNK_SHARE = 16
_UNTAUGHT_CHUNK = 131_072
"""For who does not learn: as much as fits the memory well."""


@dataclass(frozen=True, eq=False)
class Workload:
    """Requests: what each allows in ms (infinite: no deadline) and its luck, in [0, 1); float64 [n] both."""

    deadlines_ms: Floats
    luck: Floats

    @classmethod
    def of(cls, deadlines_ms: Floats, rng: np.random.Generator) -> Workload:
        return cls(deadlines_ms, rng.random(len(deadlines_ms)))


@dataclass(frozen=True, eq=False)
class Served:
    """What each request got; arrays [n], entered while serving.

    `rows` are indices into the world's configurations; `latency_ms` counts from the arrival; energies are in mJ
    (`cloud_active_mj` NaN where unknown); `fallback`: the cloud was away, and the device finished.
    """

    rows: Indices
    latency_ms: Floats
    edge_mj: Floats
    cloud_node_mj: Floats
    cloud_active_mj: Floats
    fallback: Flags

    @classmethod
    def nothing(cls, requests: int) -> Served:
        rows, fallback = np.zeros(requests, dtype=np.intp), np.zeros(requests, dtype=np.bool_)
        latency_ms, edge_mj, node_mj, active_mj = np.zeros((4, requests))
        return cls(rows, latency_ms, edge_mj, node_mj, active_mj, fallback)

    def energy_mj(self, account: Account) -> Floats:
        if account is Account.EDGE:
            return self.edge_mj
        return self.edge_mj + (self.cloud_node_mj if account is Account.EDGE_NODE else self.cloud_active_mj)

    def enter(self, place: slice, rows: Indices, outcomes: Outcomes) -> None:
        self.rows[place], self.latency_ms[place], self.edge_mj[place] = rows, outcomes.latency_ms, outcomes.edge_mj
        self.cloud_node_mj[place] = outcomes.cloud_mj(Account.EDGE_NODE)
        self.cloud_active_mj[place] = outcomes.cloud_mj(Account.EDGE_ACTIVE)


def serve(chooser: Chooser, world: World, workload: Workload, *, timeline: Timeline, link: Link) -> Served:
    """Decides and runs all requests. `link` is what the device believes until it meets another one.

    Requests that do not depend on each other are served in chunks: a chunk is decided before its outcomes are drawn, and
    learned from before the next one. Chunks grow with what was served, so that a mistake is soon learned from. The device
    knows of a new link one request later. InvalidInput where the cloud is away and the world has no edge-only run.
    """
    if timeline.away.any() and not len(world.edge_only):
        raise InvalidInput("scenario: the cloud is away, and no edge-only run was recorded that could serve then")
    device = _Device(chooser, workload, timeline, Served.nothing(len(workload.deadlines_ms)), believed=link)
    for stretch in timeline.stretches():
        device.serve(stretch, world if stretch.link is None else world.over(stretch.link), stretch.link or link)
    device.learn()
    return device.served


class _Device:
    """One device in a simulation: what it believes, what it has to learn yet, and until when it is busy."""

    def __init__(
        self, chooser: Chooser, workload: Workload, timeline: Timeline, served: Served, *, believed: Link
    ) -> None:
        self.served = served
        self._chooser, self._workload, self._timeline = chooser, workload, timeline
        self._believed = believed
        self._breaker = Breaker()
        self._lessons: list[tuple[Asked, Indices, Outcomes]] = []
        self._arrived_ms = self._head_free_ms = self._answered_ms = 0.0

    def serve(self, stretch: Stretch, world: World, link: Link) -> None:
        number = stretch.start
        while number < stretch.stop:
            stop = min(number + self._chunk(number, link), stretch.stop)
            if stretch.one_by_one or self._breaker.failing:
                stop = number + 1
                self._alone(number, world)
            else:
                self._together(slice(number, stop), world)
            self._learn_if_due(stop, link)
            number = stop

    def learn(self) -> None:
        """From all requests that it has not learned from yet."""
        if self._lessons and self._chooser.learns:
            asked = [lesson[0] for lesson in self._lessons]
            self._chooser.learn(
                Asked(
                    np.concatenate([one.deadlines_ms for one in asked]),
                    np.concatenate([one.numbers for one in asked]),
                    self._believed,
                ),
                np.concatenate([rows for _, rows, _ in self._lessons]),
                Outcomes(np.concatenate([outcomes.figures for _, _, outcomes in self._lessons])),
            )
        self._lessons.clear()

    def _chunk(self, number: int, link: Link) -> int:
        if link != self._believed:
            return 1
        return chunk_size(number) if self._chooser.learns else _UNTAUGHT_CHUNK

    def _learn_if_due(self, served: int, link: Link) -> None:
        """Before it believes in another link, so that what was seen over the old one is held against that."""
        waiting = sum(len(asked.numbers) for asked, _, _ in self._lessons)
        if link != self._believed:
            self._lessons.clear()
            self._believed = link
        elif waiting >= chunk_size(served - waiting):
            self.learn()

    def _together(self, place: slice, world: World) -> None:
        deadlines_ms, numbers = self._workload.deadlines_ms[place], np.arange(place.start, place.stop)
        asked = Asked(deadlines_ms, numbers, self._believed)
        rows = self._chooser.rows(asked)
        outcomes = world.outcomes(rows, self._workload.luck[place])
        self.served.enter(place, rows, outcomes)
        self._lessons.append((asked, rows, outcomes))
        self._answered_ms += float(self.served.latency_ms[place].sum())
        self._arrived_ms = self._answered_ms - float(self.served.latency_ms[place.stop - 1])
        self._head_free_ms = self._arrived_ms + float(outcomes.head_ms[-1])

    def _alone(self, number: int, world: World) -> None:
        """One request: it waits until the device is free, which counts against its deadline."""
        gap_ms = self._timeline.gaps_ms[number]
        self._arrived_ms = self._answered_ms if np.isnan(gap_ms) else self._arrived_ms + float(gap_ms)
        start_ms = max(self._arrived_ms, self._head_free_ms)
        waited_ms = start_ms - self._arrived_ms
        place = slice(number, number + 1)
        left_ms = self._workload.deadlines_ms[place] - waited_ms
        asked = Asked(left_ms, np.array([number]), self._believed, self._breaker.allows(start_ms))
        rows = self._chooser.rows(asked)
        outcomes = world.outcomes(rows, luck := self._workload.luck[place])
        sends, away = bool(outcomes.waiting_ms[0] > 0), bool(self._timeline.away[number])
        head_done_ms = start_ms + float(outcomes.head_ms[0])
        if sends and away:
            home = world.outcomes(world.edge_only[:1], luck)
            outcomes = finished_here(outcomes, home, deadline_ms=float(left_ms[0]))
            self.served.fallback[number] = True
            head_done_ms = start_ms + float(outcomes.latency_ms[0])
            self._breaker.failed(head_done_ms)
        else:
            self._lessons.append((asked, rows, outcomes))
            if sends:
                self._breaker.succeeded()
        self.served.enter(place, rows, outcomes)
        self.served.latency_ms[number] += waited_ms
        self._head_free_ms = head_done_ms
        self._answered_ms = self._arrived_ms + float(self.served.latency_ms[number])


def chunk_size(served: int) -> int:
    """How many requests are decided before the next lesson, after so many were served."""
    return min(max(1, served // _CHUNK_SHARE), LARGEST_CHUNK)
