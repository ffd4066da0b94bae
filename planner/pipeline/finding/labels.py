"""The pipeline of the least cost in which no resource is busy longer than a threshold, whatever the medium and the costs.

Labels are beginnings of pipelines: a unit, the port at which its stage begins, what it cost so far, what its radio already
carries, what it took of each budget (the air that all share is one), and the nodes that it used. They are extended cheapest
first, by cost plus the least that the rest can cost (were nodes free to serve twice), so that the first whole pipeline is
the best. A label goes when another at the same place is no worse in anything. Which nodes were used is looked at only for
nodes that a best pipeline used twice before (decremental state space relaxation: Righini and Salani, "New dynamic
programming algorithms for the resource constrained elementary shortest path problem", Networks 51(3), 2008).
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from planner.pipeline.bits import in_several
from planner.pipeline.finding.accounts import Accounts, Budget, Outlook
from planner.pipeline.finding.effort import Effort, OutOfEffort
from planner.pipeline.finding.radios import Radios
from planner.pipeline.finding.terms import Terms, air
from planner.pipeline.finding.units import SLACK, Units, sendable
from planner.pipeline.instance import Flags, Floats, Medium
from planner.pipeline.plan import Plan

_FIRST_KEEP = 3


@dataclass(frozen=True, eq=False)
class Label:
    """The beginning of a pipeline: `carried` is what each member's radio has received, in seconds per inference."""

    unit: int
    port: int
    cost: float
    carried: tuple[float, ...]
    taken: tuple[float, ...]
    used: int
    before: Label | None


@dataclass(frozen=True)
class Cheapest:
    """The best pipeline found with what it adds up to, and the least that any can; no plan: none was found."""

    plan: Plan | None
    cost: float
    bound: float

    @property
    def proven(self) -> bool:
        """Whether no pipeline is cheaper, or none exists."""
        return self.bound >= self.cost


def cheapest(
    units: Units,
    terms: Terms,
    *,
    most_s: float,
    effort: Effort,
    any_will_do: bool = False,
    budgets: Sequence[Budget] = (),
) -> Cheapest:
    """The pipeline of the least cost within all budgets, with all loads at or below `most_s`; `any_will_do`: the first that
    is found. When the effort runs out, the best so far with a proven bound.
    """
    if units.instance.medium is Medium.SHARED:
        budgets = (*budgets, Budget(air(units), most_s))
    return _Labels(units, terms, most_s, budgets, effort).run(any_will_do=any_will_do)


class _Labels:
    def __init__(self, units: Units, terms: Terms, most_s: float, budgets: Sequence[Budget], effort: Effort) -> None:
        self._units, self._terms, self._effort = units, terms, effort
        self._limit = most_s * SLACK
        self._radios = Radios(units)
        self._medium = units.instance.medium
        self._possible = units.busiest_s <= self._limit
        factor = units.mean if self._medium is Medium.SHARED else units.link
        outlook = Outlook(units, self._possible, sendable(factor, self._limit))
        self._to_go = outlook.least_to_go(terms)
        self._accounts = Accounts(outlook, budgets)
        self._bound = 0.0

    def run(self, *, any_will_do: bool) -> Cheapest:
        incumbent: Label | None = None
        try:
            every_node = (1 << len(self._units.instance.nodes)) - 1
            incumbent = self._best(every_node, keep=_FIRST_KEEP)
            if incumbent is None or not any_will_do:
                incumbent = self._exactly(incumbent)
            self._bound = incumbent.cost if incumbent else math.inf
        except OutOfEffort:
            pass
        if incumbent is None:
            return Cheapest(None, math.inf, self._bound)
        return Cheapest(
            self._units.plan([(each.unit, each.port) for each in _way(incumbent)]), incumbent.cost, self._bound
        )

    def _exactly(self, incumbent: Label | None) -> Label | None:
        critical = 0
        while True:
            found = self._best(critical, below=incumbent.cost if incumbent else math.inf)
            if found is None:
                return incumbent
            twice = in_several(self._units.masks[each.unit] for each in _way(found))
            if not twice:
                return found
            critical |= twice

    def _best(self, critical: int, *, keep: float = math.inf, below: float = math.inf) -> Label | None:
        """The cheapest pipeline that serves no critical node twice, cheaper than `below`; at most `keep` labels a place."""
        heap: list[tuple[float, int, Label]] = []
        order = count()
        settled: defaultdict[tuple[int, int], list[Label]] = defaultdict(list)
        for label in self._starts():
            heapq.heappush(heap, (label.cost + float(self._to_go[label.unit, label.port]), next(order), label))
        while heap:
            total, _, label = heapq.heappop(heap)
            if total >= below:
                return None
            if math.isinf(keep):
                self._bound = max(self._bound, total)
            if label.port == self._units.ports.end:
                return label
            others = settled[label.unit, label.port]
            if len(others) >= keep or any(self._no_worse(other, label, critical) for other in others):
                continue
            self._effort.spend()
            others.append(label)
            for each, longer in self._extended(label, critical):
                heapq.heappush(heap, (each, next(order), longer))
        return None

    def _no_worse(self, one: Label, other: Label, critical: int) -> bool:
        return (
            one.cost <= other.cost
            and not one.used & critical & ~other.used
            and all(mine <= theirs for mine, theirs in zip(one.taken, other.taken, strict=True))
            and all(mine <= theirs for mine, theirs in zip(one.carried, other.carried, strict=True))
        )

    def _starts(self) -> Iterator[Label]:
        for unit, members in enumerate(self._units.members):
            cost = float(self._terms.entry[unit])
            if self._medium is not Medium.SHARED and self._units.busiest_entry_s[unit] > self._limit:
                continue
            taken = self._accounts.entered(unit)
            if taken is not None and math.isfinite(cost + self._to_go[unit, 0]):
                yield Label(unit, 0, cost, self._arriving(members), taken, self._units.masks[unit], None)

    def _arriving(self, members: tuple[int, ...]) -> tuple[float, ...]:
        if self._medium is not Medium.HALF_DUPLEX:
            return ()
        return tuple(float(self._units.way_in_s[node]) / len(members) for node in members)

    def _extended(self, label: Label, critical: int) -> Iterator[tuple[float, Label]]:
        kind = self._terms.kinds[label.unit]
        possible = self._possible[self._units.kinds[label.unit], label.port]
        costs = label.cost + np.where(possible, self._terms.stage[kind, label.port], np.inf)
        staged = self._accounts.staged(label.taken, label.unit, label.port)
        yield from self._finished(label, float(costs[self._units.ports.end]), staged)
        yield from self._followed(label, costs, staged, critical)

    def _finished(self, label: Label, cost: float, staged: Floats) -> Iterator[tuple[float, Label]]:
        units, unit, end = self._units, label.unit, self._units.ports.end
        total = cost + float(self._terms.leave[unit])
        taken = self._accounts.left(staged, unit)
        if taken is None or not math.isfinite(total):
            return
        if self._medium is Medium.SHARED:
            fits = True
        elif self._medium is Medium.LINKS:
            fits = bool(units.busiest_leave_s[unit] <= self._limit)
        else:
            members = units.members[unit]
            fits = all(
                carried + float(units.way_out_s[node]) / len(members) <= self._limit
                for node, carried in zip(members, label.carried, strict=True)
            )
        if fits:
            yield total, Label(unit, end, total, (), taken, label.used, label)

    def _followed(self, label: Label, costs: Floats, staged: Floats, critical: int) -> Iterator[tuple[float, Label]]:
        units = self._units
        size = units.port_bytes
        with np.errstate(invalid="ignore"):
            reached = costs[None, :] + self._terms.link[label.unit][:, None] * size[None, :]
            totals = reached + self._to_go
            taken, affordable = self._accounts.followed(staged, label.unit)
            fits = np.isfinite(totals) & units.ports.inner[None, :] & affordable & self._carries(label)
        for follower, port in zip(*np.nonzero(fits), strict=True):
            unit, place = int(follower), int(port)
            if label.used & critical & units.masks[unit]:
                continue
            carried = self._received(label.unit, unit, place)
            spent = tuple(taken[:, unit, place].tolist())
            used = label.used | units.masks[unit]
            yield (
                float(totals[unit, place]),
                Label(unit, place, float(reached[unit, place]), carried, spent, used, label),
            )

    def _carries(self, label: Label) -> Flags:
        units, size = self._units, self._units.port_bytes[None, :]
        if self._medium is Medium.SHARED:
            return np.ones(self._to_go.shape, dtype=np.bool_)
        if self._medium is Medium.LINKS:
            return np.asarray(units.link[label.unit][:, None] * size <= self._limit)
        fits: Flags = np.ones(self._to_go.shape, dtype=np.bool_)
        for carried, sending in zip(label.carried, self._radios.sent(label.unit), strict=True):
            fits &= carried + sending[:, None] * size <= self._limit
        return np.asarray(fits & (self._radios.most_received[label.unit][:, None] * size <= self._limit))

    def _received(self, sender: int, receiver: int, port: int) -> tuple[float, ...]:
        if self._medium is not Medium.HALF_DUPLEX:
            return ()
        size = float(self._units.port_bytes[port])
        return tuple(size * each for each in self._radios.received(sender, receiver))


def _way(label: Label) -> list[Label]:
    """The labels of a whole pipeline from the input on, without the one that stands for its end."""
    way: list[Label] = []
    before = label.before
    while before is not None:
        way.insert(0, before)
        before = before.before
    return way
