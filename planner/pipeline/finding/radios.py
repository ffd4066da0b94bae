"""Radios that either send or receive: what each member of a unit spends on what crosses to another unit."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from planner.pipeline.finding.units import Units
from planner.pipeline.instance import Floats
from planner.pipeline.loads import pairs


@dataclass(frozen=True, eq=False)
class Radios:
    """Seconds per byte and inference, by members of units in their order; infinite where there is no link."""

    units: Units
    _received: dict[tuple[int, int], tuple[float, ...]] = field(default_factory=dict)

    def sent(self, sender: int) -> Floats:
        """[M, U]: what each of the M members of a unit spends on sending to each other unit."""
        return self._sent[sender]

    def received(self, sender: int, receiver: int) -> tuple[float, ...]:
        """What each member of `receiver` spends on receiving from `sender`."""
        key = (sender, receiver)
        if key not in self._received:
            self._received[key] = self._shares(sender, receiver)[1]
        return self._received[key]

    @cached_property
    def most_received(self) -> Floats:
        """[U, U]: what the busiest member of the column spends on receiving from the row."""
        if self.units.single:
            return self.units.mean
        count = range(len(self.units.members))
        return np.array([[max(self.received(row, column)) for column in count] for row in count])

    @cached_property
    def _sent(self) -> list[Floats]:
        if self.units.single:
            return [row[None, :] for row in self.units.mean]
        count = range(len(self.units.members))
        return [np.array([self._shares(row, column)[0] for column in count]).T for row in count]

    def _shares(self, sender: int, receiver: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        units = self.units
        senders, receivers = units.members[sender], units.members[receiver]
        if units.masks[sender] & units.masks[receiver]:
            return (np.inf,) * len(senders), (np.inf,) * len(receivers)
        spent: defaultdict[int, float] = defaultdict(float)
        for one, other, share in pairs(senders, receivers):
            seconds = share * float(units.inverse_rate[one, other])
            spent[one] += seconds
            spent[other] += seconds
        return tuple(spent[node] for node in senders), tuple(spent[node] for node in receivers)
