"""Spare copies of weights: what a node may hold next to what it has, and what a plan would add."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from planner.pipeline.finding.terms import Terms, between_points, missing_bytes, moved_bytes
from planner.pipeline.finding.units import Units
from planner.pipeline.instance import Flags, Instance


@dataclass(frozen=True, eq=False)
class Copies:
    """Which node holds which pieces' weights, and which it must not: `held` and `barred` [N, P].

    All that a node holds counts against its memory at once, with the largest activations of any piece that it holds, so
    that whatever it holds it can run, and nothing has to be dropped or fetched.
    """

    units: Units
    held: Flags
    barred: Flags

    @classmethod
    def none(cls, units: Units) -> Copies:
        """Nothing is held, and nothing barred."""
        empty = np.zeros((len(units.instance.nodes), units.instance.pieces.count), dtype=np.bool_)
        return cls(units, empty, empty)

    def having(self, places: Iterable[tuple[int, int]]) -> Copies:
        """These, with further pieces at nodes."""
        return Copies(self.units, _with(self.held, places), self.barred)

    def without(self, node: int, piece: int) -> Copies:
        """These, where a node must not hold a piece."""
        return Copies(self.units, self.held, _with(self.barred, [(node, piece)]))

    def adding(self, lost: Iterable[int] = ()) -> Terms:
        """Bytes that plans add, without some nodes, where there is room for what they add."""
        return moved_bytes(self.units, self.held, allowed=_excluding(self._room, lost))

    def standing(self, lost: Iterable[int] = ()) -> Terms:
        """No bytes for plans that run on what is held, without some nodes; infinitely many for all others."""
        lacks_nothing = between_points((~self.held).astype(np.float64)) == 0
        return moved_bytes(self.units, self.held, allowed=_excluding(lacks_nothing, lost))

    @property
    def participants(self) -> tuple[int, ...]:
        """The nodes that hold something."""
        return tuple(int(node) for node in np.flatnonzero(self.held.any(axis=1)))

    @cached_property
    def size_bytes(self) -> float:
        """All that is held."""
        return float((self.held * self._instance.pieces.weight_bytes).sum())

    def least_bytes(self, losses: int) -> float:
        """What is held once every piece has a copy more than nodes may be lost: nothing less survives."""
        short = np.maximum(losses + 1 - self.held.sum(axis=0), 0)
        return self.size_bytes + float((short * self._instance.pieces.weight_bytes).sum())

    @cached_property
    def _room(self) -> Flags:
        weights = (self.held * self._instance.pieces.weight_bytes).sum(axis=1)[:, None, None]
        peak = np.where(self.held, self._instance.pieces.peak_bytes, 0.0).max(axis=1)[:, None, None]
        needed = (
            weights + missing_bytes(self._instance, self.held) + np.maximum(peak, self._instance.pieces.largest_bytes)
        )
        return np.asarray(
            (needed < self._instance.capacity_bytes[:, None, None])
            & (between_points(self.barred.astype(np.float64)) == 0)
        )

    @property
    def _instance(self) -> Instance:
        return self.units.instance


def _with(flags: Flags, places: Iterable[tuple[int, int]]) -> Flags:
    more = flags.copy()
    for place in places:
        more[place] = True
    return more


def _excluding(allowed: Flags, lost: Iterable[int]) -> Flags:
    left = allowed.copy()
    left[list(lost)] = False
    return left
