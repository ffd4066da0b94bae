"""What the beginning of a pipeline may still spend: budgets, and the least that the rest of a pipeline takes of anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from planner.pipeline.finding.terms import Terms
from planner.pipeline.finding.units import SLACK, Units
from planner.pipeline.instance import Flags, Floats


@dataclass(frozen=True, eq=False)
class Budget:
    """The most that a whole pipeline may add up to on some terms."""

    terms: Terms
    most: float


@dataclass(frozen=True, eq=False)
class Outlook:
    """Which stages and which crossings may be part of a pipeline: `possible` [K, Q, Q], and up to how many bytes [U, U]."""

    units: Units
    possible: Flags
    crossable: Floats

    def least_to_go(self, terms: Terms) -> Floats:
        """[U, Q]: the least that the rest costs from a unit and a port on, were nodes free to serve twice."""
        units, ports, size = self.units, self.units.ports, self.units.port_bytes
        least = np.full((len(units.members), ports.count), np.inf)
        onward = np.full((len(units.members), ports.count), np.inf)
        onward[:, ports.end] = terms.leave
        kinds, own = list(terms.kinds), list(units.kinds)
        for port in (*(int(each) for each in np.flatnonzero(ports.inner)[::-1]), 0):
            stage = np.where(self.possible[own, port], terms.stage[kinds, port], np.inf)
            least[:, port] = (stage + onward).min(axis=1)
            if port:
                with np.errstate(invalid="ignore"):
                    crossing = np.where(self.crossable >= size[port], terms.link * size[port], np.inf)
                onward[:, port] = (crossing + least[None, :, port]).min(axis=1)
        return least


class Accounts:
    """B budgets, and what has been taken of each."""

    def __init__(self, outlook: Outlook, budgets: Sequence[Budget]) -> None:
        self._budgets = budgets
        self._size, self._end = outlook.units.port_bytes, outlook.units.ports.end
        self._most = np.array([each.most * SLACK for each in budgets]).reshape(-1, 1, 1)
        shape = (len(budgets), len(outlook.units.members), len(self._size))
        self._to_go = np.array([outlook.least_to_go(each.terms) for each in budgets]).reshape(shape)

    def entered(self, unit: int) -> tuple[float, ...] | None:
        """What the way in takes; None: then the rest cannot be afforded."""
        taken = np.array([each.terms.entry[unit] for each in self._budgets])
        return self._if(taken, taken + self._to_go[:, unit, 0])

    def staged(self, taken: tuple[float, ...], unit: int, port: int) -> Floats:
        """[B, Q]: what is taken when the unit's stage that begins at `port` ends at another."""
        return self._stacked(
            [
                spent + each.terms.stage[each.terms.kinds[unit], port]
                for each, spent in zip(self._budgets, taken, strict=True)
            ]
        )

    def left(self, staged: Floats, unit: int) -> tuple[float, ...] | None:
        """What is taken after the way out; None: it cannot be afforded."""
        taken = staged[:, self._end] + np.array([each.terms.leave[unit] for each in self._budgets])
        return self._if(taken, taken)

    def followed(self, staged: Floats, unit: int) -> tuple[Floats, Flags]:
        """[B, U, Q]: what is taken once another unit has what crosses at a port; and [U, Q] whether the rest can be afforded."""
        links = [each.terms.link[unit][:, None] * self._size for each in self._budgets]
        taken = staged[:, None, :] + np.array(links).reshape(self._to_go.shape)
        return taken, np.asarray((taken + self._to_go <= self._most).all(axis=0))

    def _stacked(self, rows: list[Floats]) -> Floats:
        return np.array(rows).reshape(len(self._budgets), len(self._size))

    def _if(self, taken: Floats, in_all: Floats) -> tuple[float, ...] | None:
        return tuple(taken.tolist()) if bool((in_all <= self._most[:, 0, 0]).all()) else None
