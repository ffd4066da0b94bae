"""Whether a pipeline exists in which no resource is busy longer than a threshold, where links do not hinder each other.

Sets of ports are bits of one integer, so that a step from node to node handles all places to cut at once. A first pass
forgets that a node is used once at most; where even that leaves no way, none exists. The search for a way with distinct nodes
goes only where the first pass still sees the output within the nodes that are left, and skips states that an earlier,
failed one dominates (as many ports, fewer nodes used).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from planner.pipeline.bits import in_several, numbers_of, packed
from planner.pipeline.finding.effort import Effort
from planner.pipeline.finding.units import SLACK, Units, sendable
from planner.pipeline.plan import Plan

Steps = tuple[tuple[int, int], ...]
"""The units of a way with the ports at which each may begin, as bits."""


@dataclass(eq=False)
class Threshold:
    """The ways that keep every load at or below `seconds`."""

    units: Units
    seconds: float
    _reached: dict[tuple[int, int], int] = field(default_factory=dict)
    _stage_ends: dict[tuple[int, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.limit = self.seconds * SLACK
        units, ports = self.units, self.units.ports
        self.crossing = self._crossings()
        self.starting = (units.busiest_entry_s <= self.limit).tolist()
        self.ending = (units.busiest_leave_s <= self.limit).tolist()
        self.finish = [1 << ports.end if ends else 0 for ends in self.ending]

    def plan(self, most_nodes: int, effort: Effort) -> Plan | None:
        """A plan of the fewest nodes, at most `most_nodes`; None: there is none. Raises OutOfEffort where that is not known."""
        outlook = _Outlook(self)
        budget = 0
        while budget < most_nodes:
            budget += 1
            outlook.extend()
            if not self._may_start(outlook, budget):
                if outlook.settled(budget):
                    return None
                continue
            steps = _Search(self, outlook, effort).from_input(budget)
            if steps is not None:
                return self._plan(steps)
            if outlook.settled(budget) and budget < most_nodes:
                outlook.stretch(most_nodes)
                budget = most_nodes - 1
        return None

    def _may_start(self, outlook: _Outlook, budget: int) -> bool:
        begins = (outlook.within(budget, unit) & 1 for unit, possible in enumerate(self.starting) if possible)
        return any(begins)

    def reached(self, unit: int, starts: int) -> int:
        """All ports at which a stage of this unit may end that begins at one of `starts`."""
        key = (self.units.kinds[unit], starts)
        found = self._reached.get(key)
        if found is None:
            found = 0
            for port in numbers_of(starts):
                found |= self.ends(unit, port)
            self._reached[key] = found
        return found

    def ends(self, unit: int, port: int) -> int:
        """The ports at which a stage of this unit may end that begins at `port`."""
        key = (self.units.kinds[unit], port)
        found = self._stage_ends.get(key)
        if found is None:
            found = self._stage_ends[key] = packed(self.units.busiest_s[key[0], port] <= self.limit)
        return found

    def _crossings(self) -> list[list[int]]:
        inner = np.flatnonzero(self.units.ports.inner)
        order = inner[np.argsort(self.units.port_bytes[inner], kind="stable")]
        prefixes = [0]
        for port in order:
            prefixes.append(prefixes[-1] | 1 << int(port))
        most = sendable(self.units.link, self.limit)
        counts = np.searchsorted(self.units.port_bytes[order], most, side="right")
        return [[prefixes[count] for count in row] for row in counts.tolist()]

    def _plan(self, steps: Steps) -> Plan:
        way: list[tuple[int, int]] = []
        port = self.units.ports.end
        for unit, starts in reversed(steps):
            port = next(begin for begin in numbers_of(starts) if self.ends(unit, begin) >> port & 1)
            way.append((unit, port))
        return self.units.plan(way[::-1])


class _Outlook:
    """From which ports of a unit the output can be reached within so many nodes, were nodes free to serve twice."""

    def __init__(self, threshold: Threshold) -> None:
        self._threshold = threshold
        units = threshold.units
        self._ports = [0, *(int(port) for port in np.flatnonzero(units.ports.inner))]
        self._onward: list[list[int]] = []
        self._within: list[list[int]] = [[0] * len(units.members)]

    def within(self, budget: int, unit: int) -> int:
        """The ports of this unit, as bits."""
        return self._within[budget][unit] if budget >= 0 else 0

    def onward(self, budget: int, unit: int) -> int:
        """The ports at which this unit may end, so that others can finish within `budget` nodes."""
        return self._onward[budget][unit] if budget >= 0 else 0

    def extend(self) -> None:
        """One more node."""
        threshold, within = self._threshold, self._within[-1]
        self._onward.append(
            [
                self._joined(row, within) | finish
                for row, finish in zip(threshold.crossing, threshold.finish, strict=True)
            ]
        )
        budget = len(self._within)
        known: dict[tuple[int, int], int] = {}
        ahead: list[int] = []
        for unit, size in enumerate(threshold.units.sizes):
            onward = self.onward(budget - size, unit)
            key = (threshold.units.kinds[unit], onward)
            if key not in known:
                known[key] = self._begins(unit, onward)
            ahead.append(known[key])
        self._within.append(ahead)

    def stretch(self, budget: int) -> None:
        """As many nodes as `budget` less one, once settled: nothing changes any more."""
        while len(self._within) < budget:
            self._within.append(self._within[-1])
            self._onward.append(self._onward[-1])

    def settled(self, budget: int) -> bool:
        """Whether more nodes than `budget` change nothing."""
        widest = self._threshold.units.sizes[-1]
        return budget > widest and all(each == self._within[budget] for each in self._within[budget - widest : budget])

    def _begins(self, unit: int, onward: int) -> int:
        if not onward:
            return 0
        return sum(1 << port for port in self._ports if self._threshold.ends(unit, port) & onward)

    @staticmethod
    def _joined(row: list[int], within: list[int]) -> int:
        joined = 0
        for crossing, begins in zip(row, within, strict=True):
            joined |= crossing & begins
        return joined


class _Search:
    """Depth first, towards ways of distinct nodes."""

    def __init__(self, threshold: Threshold, outlook: _Outlook, effort: Effort) -> None:
        self._threshold = threshold
        self._units = threshold.units
        self._outlook = outlook
        self._effort = effort
        self._critical = 0
        self._failed: defaultdict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)

    def from_input(self, budget: int) -> Steps | None:
        """A way from the input to the output over at most `budget` nodes."""
        while True:
            steps = self._way(budget)
            twice = in_several(self._units.masks[unit] for unit, _ in steps or ())
            if not twice:
                return steps
            self._critical |= twice

    def _way(self, budget: int) -> Steps | None:
        for unit, possible in enumerate(self._threshold.starting):
            if possible:
                steps = self._onward(unit, 1, 0, budget)
                if steps is not None:
                    return steps
        return None

    def _onward(self, unit: int, starts: int, used: int, budget: int) -> Steps | None:
        starts &= self._outlook.within(budget, unit)
        if not starts or self._known_to_fail(unit, starts, used & self._critical, budget):
            return None
        self._effort.spend()
        ends = self._threshold.reached(unit, starts)
        if ends & self._threshold.finish[unit]:
            return ((unit, starts),)
        used_now = used | self._units.masks[unit]
        left = budget - self._units.sizes[unit]
        for follower, begins in self._followers(unit, ends, used_now, left):
            steps = self._onward(follower, begins, used_now, left)
            if steps is not None:
                return ((unit, starts), *steps)
        self._failed[unit, budget].append((starts, used & self._critical))
        return None

    def _followers(self, unit: int, ends: int, used: int, left: int) -> list[tuple[int, int]]:
        found = []
        for follower, crossing in enumerate(self._threshold.crossing[unit]):
            begins = ends & crossing & self._outlook.within(left, follower)
            if begins and not used & self._critical & self._units.masks[follower]:
                found.append((bool(used & self._units.masks[follower]), -begins, follower))
        found.sort()
        return [(follower, -begins) for _, begins, follower in found]

    def _known_to_fail(self, unit: int, starts: int, used: int, budget: int) -> bool:
        return any(
            not starts & ~failed_starts and not failed_used & ~used
            for failed_starts, failed_used in self._failed[unit, budget]
        )
