"""Who decides in a simulation: DynaSplit with what it learns, the published rule, one that knows the future, baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from planner.choosing import policy
from planner.choosing.candidates import Candidates
from planner.choosing.strategies import DYNASPLIT, Request, choose, choose_rows
from planner.learning.experience import DEFAULT_VIOLATION_RATE, Experience, Observed
from planner.pareto import front
from planner.pricing import Expected, Floats, Indices, Prices
from planner.simulation.replay import Outcomes, Recording, World
from planner.simulation.scenario import Timeline
from protocol.configuration import Account, Configuration
from protocol.errors import InvalidInput
from protocol.link import Link
from protocol.table import Row


@dataclass(frozen=True, eq=False)
class Asked:
    """Requests that are decided together, with what the device knows: `deadlines_ms` [n] is what is left of each
    (infinite: none), `numbers` [n] counts them from 0, `link` and `cloud_available` are as the device believes.
    `behind_ms`: what is left of the deadlines of those who wait behind a single one;
    `overlaps`: the device works for the next of them while that one waits for the cloud."""

    deadlines_ms: Floats
    numbers: Indices
    link: Link
    cloud_available: bool = True
    behind_ms: tuple[float, ...] = ()
    overlaps: bool = False


class Chooser(Protocol):
    """Decides requests in their order. It may learn from outcomes, once it has decided."""

    @property
    def learns(self) -> bool:
        """Whether `learn` changes what it decides; if not, all requests may be decided at once."""
        ...

    def rows(self, asked: Asked) -> Indices:
        """For each request an index into the world's configurations."""
        ...

    def learn(self, asked: Asked, rows: Indices, outcomes: Outcomes) -> None:
        """What these requests, decided by `rows`, turned out to cost."""
        ...


@dataclass(frozen=True, eq=False)
class Known:
    """Rows of a table that can be run in a world: `places` [rows] are their indices into its configurations."""

    rows: Sequence[Row]
    places: Indices
    link: Link

    @classmethod
    def of(cls, rows: Sequence[Row], configurations: Sequence[Configuration], link: Link) -> Known:
        """Those rows whose configuration the world has; InvalidInput when it has none of them."""
        place_of = {configuration: place for place, configuration in enumerate(configurations)}
        found = [row for row in rows if row.configuration in place_of]
        if not found:
            raise InvalidInput("no row of the table was ever recorded, so nothing can be replayed: measure more")
        return cls(found, np.array([place_of[row.configuration] for row in found], dtype=np.intp), link)


class Unteachable:
    """Decides the same whatever happened."""

    learns = False

    def learn(self, asked: Asked, rows: Indices, outcomes: Outcomes) -> None:
        """Nothing is learned."""


class Baseline(Unteachable):
    """One of `planner.choosing.strategies`, by the table and the link alone."""

    def __init__(self, strategy: str, known: Known, account: Account) -> None:
        self._strategy = strategy
        self._known = known
        self._request = Request(account=account)
        self._candidates = Candidates.of(known.rows, known.link)

    def rows(self, asked: Asked) -> Indices:
        self._candidates = self._candidates.now(asked.link, cloud_available=asked.cloud_available)
        return self._known.places[choose_rows(self._strategy, self._candidates, asked.deadlines_ms, self._request)]


class Adaptive:
    """`dynasplit`: goes by what its experience of the table's rows expects, and learns from every outcome."""

    learns = True

    def __init__(
        self,
        known: Known,
        account: Account,
        *,
        violation_rate: float = DEFAULT_VIOLATION_RATE,
        tries: bool = True,
    ) -> None:
        self._known = known
        self._request = Request(account=account)
        start = Candidates.of(known.rows, known.link)
        self._experience = Experience.of(start.parts, violation_rate=violation_rate, tries=tries)
        self._candidates = start.now(known.link, experience=self._experience)
        self._row_at = np.zeros(known.places.max() + 1, dtype=np.intp)
        self._row_at[known.places] = np.arange(len(known.places))

    def rows(self, asked: Asked) -> Indices:
        if (asked.link, asked.cloud_available) != (self._candidates.link, self._candidates.cloud_available):
            self._candidates = self._candidates.now(asked.link, cloud_available=asked.cloud_available)
        return self._known.places[self._chosen(asked)]

    def _chosen(self, asked: Asked) -> Indices:
        if not asked.behind_ms:
            return choose_rows(DYNASPLIT, self._candidates, asked.deadlines_ms, self._request)
        request = replace(
            self._request,
            deadline_ms=float(asked.deadlines_ms[0]),
            behind_ms=asked.behind_ms,
            overlaps=asked.overlaps,
        )
        return np.array([choose(DYNASPLIT, self._candidates, request).index], dtype=np.intp)

    def learn(self, asked: Asked, rows: Indices, outcomes: Outcomes) -> None:
        observed = Observed(
            rows=self._row_at[rows],
            deadlines_ms=asked.deadlines_ms,
            head_ms=outcomes.head_ms,
            waiting_ms=outcomes.waiting_ms,
            edge_mj=outcomes.edge_mj,
            cloud_mj=outcomes.cloud_mj(Account.EDGE_NODE),
        )
        self._experience = self._experience.after(observed, asked.link)
        self._candidates = self._candidates.now(asked.link, experience=self._experience)


class Published(Unteachable):
    """`paper`: of the front of what was recorded the first by energy whose recorded latency fits, else the fastest.

    No margin, no feedback, and whatever the link is now (DynaSplit, arXiv 2410.23881, algorithm 1).
    """

    def __init__(self, recording: Recording) -> None:
        prices = Prices(recording.median_ms, recording.median_mj)
        self._front = front(prices)
        self._recorded = Expected.exactly(prices)
        alone = self._front[np.isin(self._front, recording.edge_only)]
        self._alone = alone if len(alone) else self._front

    def rows(self, asked: Asked) -> Indices:
        there = self._front if asked.cloud_available else self._alone
        return there[policy.rows_for(self._recorded.of(there), asked.deadlines_ms)]


class Oracle(Unteachable):
    """`oracle`: knows each outcome, the link and the outages beforehand: the cheapest in time, else the fastest."""

    def __init__(self, world: World, luck: Floats, timeline: Timeline, account: Account) -> None:
        self._world, self._luck, self._timeline, self._account = world, luck, timeline, account
        self._over: dict[Link | None, World] = {None: world}

    def rows(self, asked: Asked) -> Indices:
        """Of requests over one link: those of like luck meet the same outcomes, and are decided together."""
        world = self._world_over(self._timeline.link_at(int(asked.numbers[0])))
        away = self._timeline.away[asked.numbers].any()
        rows = world.edge_only if away else np.arange(len(world.configurations))
        groups = np.searchsorted(world.turns, self._luck[asked.numbers], side="right")
        order = np.argsort(groups, kind="stable")
        chosen = np.empty(len(groups), dtype=np.intp)
        for members in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
            luck = np.full(len(rows), self._luck[asked.numbers[members[0]]])
            outcomes = Expected.exactly(world.outcomes(rows, luck).prices(self._account))
            chosen[members] = rows[policy.rows_for(outcomes, asked.deadlines_ms[members])]
        return chosen

    def _world_over(self, link: Link | None) -> World:
        if link is not None and link not in self._over:
            self._over[link] = self._world.over(link)
        return self._over[link]
