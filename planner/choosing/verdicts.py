"""What each row lacked that a choice did not take, held against what the choice itself went by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np

from planner.choosing import policy
from planner.choosing.candidates import Candidates
from planner.choosing.limits import Limits
from planner.choosing.strategies import Aim, Choice, Grounds, Request
from planner.pricing import Expected, Flags, Floats, Indices
from protocol.configuration import Configuration
from protocol.table import Row


class Why(StrEnum):
    """What became of a row: taken; left out, for one of seven reasons; late; or no better than the one that was taken."""

    CHOSEN = "chosen"
    INACCURATE = "inaccurate"
    CLOCK_NOT_ALLOWED = "clock_not_allowed"
    CUT_TOO_EARLY = "cut_too_early"
    TOO_MANY_BYTES = "too_many_bytes"
    CLOUD_AWAY = "cloud_away"
    NOT_USABLE = "not_usable"
    NOT_MEANT = "not_meant"
    LATE = "late"
    DOMINATED = "dominated"
    DEARER = "dearer"
    BETTER_KNOWN = "better_known"
    SLOWER = "slower"
    LESS_LIKELY = "less_likely"
    EQUAL = "equal"


@dataclass(frozen=True)
class Verdict:
    """One row: what became of it, by how much (in the unit of the reason; NaN where that is unknown), and in words."""

    index: int
    why: Why
    by: float
    text: str


@dataclass(frozen=True, eq=False)
class Comparison:
    """All rows against the chosen one; `choice` and `grounds` are None where no row would do."""

    strategy: str
    candidates: Candidates
    request: Request
    choice: Choice | None
    grounds: Grounds | None

    def verdicts(self) -> tuple[Verdict, ...]:
        """One for each row: the chosen one, those that could have been taken, the best first, those that are late, and
        those that may not be taken at all."""
        kinds, amounts = self._kinds_and_amounts()
        return tuple(
            Verdict(index, _KINDS[kinds[index]], float(amounts[index]), self._text(index, kinds, amounts))
            for index in self._order(kinds, amounts).tolist()
        )

    def _kinds_and_amounts(self) -> tuple[Indices, Floats]:
        """For each row the place of its `Why`, and by how much."""
        parts, limits = self.candidates.parts, self.candidates.limits
        wanted = limits.accuracy_with(self.request.min_accuracy)
        stages: list[tuple[Flags, Why, Floats | float]] = [
            (self._is_chosen, Why.CHOSEN, 0.0),
            (~limits.accurate(parts, self.request.min_accuracy), Why.INACCURATE, (wanted or 0.0) - parts.accuracy),
            (~limits.allowed_clock(parts), Why.CLOCK_NOT_ALLOWED, 0.0),
            (parts.uses_cloud & ~limits.late_enough(parts), Why.CUT_TOO_EARLY, limits.min_cut - parts.cut),
            (parts.uses_cloud & ~limits.small_enough(parts), Why.TOO_MANY_BYTES, parts.up_bytes - limits.bytes_left),
            (~self.candidates.allowed, Why.CLOUD_AWAY, 0.0),
            (~self._meant & ~limits.usable(parts), Why.NOT_USABLE, 0.0),
            (~self._meant, Why.NOT_MEANT, 0.0),
            *self._losses(),
        ]
        conditions = [stage[0] for stage in stages]
        amounts = [np.broadcast_to(amount, parts.cut.shape) for _, _, amount in stages]
        kinds = [_KINDS.index(kind) for _, kind, _ in stages]
        return np.select(conditions, kinds, _KINDS.index(Why.EQUAL)), np.select(conditions, amounts, 0.0)

    def _losses(self) -> list[tuple[Flags, Why, Floats | float]]:
        """What was better about the chosen row, for rows that might have been taken in its place."""
        if self.choice is None or self.grounds is None:
            return []
        expected = self._expected
        energy, guarded = self._above(expected.energy_mj), self._above(expected.guarded_ms)
        dearer = (energy > 0, Why.DEARER, energy)
        if self.grounds.aim is Aim.CHANCE:
            behind = self._chance_behind(self.choice.index, self.grounds.due.own_ms)
            return [(behind > 0, Why.LESS_LIKELY, behind), dearer]
        if self.grounds.aim is Aim.LATENCY:
            latency = self._above(expected.latency_ms)
            return [(latency > 0, Why.SLOWER, latency), dearer]
        ranked = self._above(self._ranked_mj)
        late_ms = self.grounds.due.late_ms(expected)
        return [
            (late_ms > 0, Why.LATE, late_ms),
            ((ranked > 0) & (energy <= 0), Why.BETTER_KNOWN, ranked),
            ((ranked > 0) & (guarded >= 0), Why.DOMINATED, energy),
            (ranked > 0, Why.DEARER, energy),
            (guarded > 0, Why.SLOWER, guarded),
        ]

    def _above(self, figure: Floats) -> Floats:
        """By how much each row's figure lies above the chosen one's."""
        return figure - figure[self.choice.index] if self.choice else np.zeros_like(figure)

    @property
    def _ranked_mj(self) -> Floats:
        """The energy by which rows were ranked: the hoped one where the choice was free to try."""
        hopes = self.grounds is not None and self.grounds.aim is Aim.HOPE
        return self._expected.hoped_mj if hopes else self._expected.energy_mj

    def _chance_behind(self, own: int, deadline_ms: float) -> Floats:
        """By how many standard deviations each row's chance is less than the chosen one's."""
        chances = policy.chances(self._expected, deadline_ms)
        if chances is None:
            return np.zeros_like(self._expected.latency_ms)
        with np.errstate(invalid="ignore"):
            return np.where(chances == chances[own], 0.0, chances[own] - chances)

    @property
    def _expected(self) -> Expected:
        return self.candidates.expected(self.request.account)

    @cached_property
    def _is_chosen(self) -> Flags:
        chosen = np.zeros(len(self.candidates.rows), dtype=np.bool_)
        if self.choice:
            chosen[self.choice.index] = True
        return chosen

    @cached_property
    def _meant(self) -> Flags:
        """The rows that the choice was among. Where there was none, all that could be taken were not what was meant."""
        meant = np.zeros(len(self.candidates.rows), dtype=np.bool_)
        if self.grounds:
            meant[slice(None) if self.grounds.rows is None else self.grounds.rows] = True
        return meant

    def _order(self, kinds: Indices, amounts: Floats) -> Indices:
        """By what became of them; among equals those in time by the aim, late ones by how late, the rest by energy."""
        aim = self.grounds.aim if self.grounds else Aim.ENERGY
        by_aim = self._expected.latency_ms if aim is Aim.LATENCY else self._ranked_mj
        amount = aim is Aim.CHANCE and kinds == _KINDS.index(Why.LESS_LIKELY)
        late = kinds == _KINDS.index(Why.LATE)
        return np.lexsort((np.where(late | amount, amounts, by_aim), _RANKS[kinds]))

    def _text(self, index: int, kinds: Indices, amounts: Floats) -> str:
        kind, amount = _KINDS[kinds[index]], float(amounts[index])
        if kind is Why.CHOSEN and self.choice:
            return self.choice.reason
        if kind is Why.NOT_MEANT:
            return f"not what strategy {self.strategy} takes"
        if kind in _LEFT_OUT:
            limits = self.candidates.limits
            wanted = limits.accuracy_with(self.request.min_accuracy)
            return _left_out(kind, self.candidates.rows[index], limits, wanted)
        return self._lost(kind, index, amount)

    def _lost(self, kind: Why, index: int, amount: float) -> str:
        """The reason of a row that might have been taken."""
        if kind is Why.LATE:
            return f"late by {_number(amount)} ms{self._of_which_margin(index, amount)}{self._for_whom(index, amount)}"
        if kind is Why.DOMINATED:
            return f"dearer by {_number(amount)} mJ and {self._no_faster(index)}"
        if kind is Why.BETTER_KNOWN:
            return f"{self._no_dearer(index)}, but better known: dearer by {_number(amount)} mJ if both turn out well"
        if kind is Why.LESS_LIKELY and math.isinf(amount):
            return "certainly late"
        return _LOST.get(kind, "as good; the other one comes first").format(_number(amount))

    def _of_which_margin(self, index: int, late_ms: float) -> str:
        margin_ms = float(self._expected.guarded_ms[index] - self._expected.latency_ms[index])
        held = self.grounds is not None and self.grounds.due.overlaps and self._for_whom(index, late_ms)
        if not margin_ms or held:
            return ""
        return f" (its margin is {_number(margin_ms)} ms{'; without it, in time' if margin_ms >= late_ms else ''})"

    def _no_faster(self, index: int) -> str:
        own = self.choice.index if self.choice else index
        slower_ms = float(self._expected.guarded_ms[index] - self._expected.guarded_ms[own])
        return f"slower by {_number(slower_ms)} ms" if slower_ms else "no faster"

    def _no_dearer(self, index: int) -> str:
        cheaper_mj = -float(self._above(self._expected.energy_mj)[index])
        return f"expected cheaper by {_number(cheaper_mj)} mJ" if cheaper_mj else "expected to cost the same"

    def _for_whom(self, index: int, late_ms: float) -> str:
        if self.grounds is None:
            return ""
        own_late_ms = float(self._expected.guarded_ms[index]) - self.grounds.due.own_ms
        return " for those behind it" if own_late_ms < late_ms else ""


_LOST = {
    Why.DEARER: "dearer by {} mJ",
    Why.SLOWER: "slower by {} ms",
    Why.LESS_LIKELY: "less likely in time, by {} standard deviations",
}


def _left_out(kind: Why, row: Row, limits: Limits, wanted: float | None) -> str:
    """The reason of a row that may not be taken."""
    if kind is Why.CLOUD_AWAY:
        return "needs the cloud, which is away"
    if kind is Why.CLOCK_NOT_ALLOWED:
        return f"clock {row.configuration.cpu_khz} kHz may not be used: allowed is what lies {limits.clock_range}"
    if kind is Why.NOT_USABLE:
        return _not_usable(row.configuration, limits)
    if kind is Why.CUT_TOO_EARLY:
        return f"cut {row.configuration.cut} is below min_cut {limits.min_cut}"
    if kind is Why.TOO_MANY_BYTES:
        return f"sends {row.up_bytes} bytes, {limits.bytes_left:.0f} may still be sent today"
    accuracy = "unknown" if row.accuracy is None else f"{row.accuracy:.4g}"
    return f"accuracy {accuracy}, where at least {wanted} is wanted"


def _not_usable(configuration: Configuration, limits: Limits) -> str:
    if limits.accelerators is None or configuration.edge_accelerator in limits.accelerators:
        return f"clock {configuration.cpu_khz} kHz was not reached lately"
    return f"needs accelerator {configuration.edge_accelerator}, which cannot be used now"


_KINDS = list(Why)
_LEFT_OUT = (
    Why.INACCURATE,
    Why.CLOCK_NOT_ALLOWED,
    Why.CUT_TOO_EARLY,
    Why.TOO_MANY_BYTES,
    Why.CLOUD_AWAY,
    Why.NOT_USABLE,
    Why.NOT_MEANT,
)
_PLACES = {Why.CHOSEN: 0, Why.LATE: 2} | dict.fromkeys(_LEFT_OUT, 3)
_RANKS = np.array([_PLACES.get(kind, 1) for kind in _KINDS])
"""The chosen one, those that could have been, late ones, those that may not be taken."""


def _number(value: float) -> str:
    """Three digits, however small."""
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
