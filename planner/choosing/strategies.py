"""How a request gets its row: DynaSplit's rule and the baselines that it is compared with.

The one implementation for agent, simulator and demo. `dynasplit`: the cheapest row in time, else the one with the best
chance. `cloud-only`, `edge-only`: the fastest such row at the highest clock. `fastest`: the lowest latency.
`energy-saver`: the lowest energy, whatever the deadline. Baselines go by what is expected; only `dynasplit` tries rows
for what is hoped of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

import numpy as np

from planner.choosing import policy
from planner.choosing.candidates import Candidates
from planner.choosing.load import NO_HURRY, Due, latest_end_ms
from planner.pricing import Expected, Flags, Floats, Indices
from protocol.configuration import Account
from protocol.errors import InvalidInput, ServiceMissing
from protocol.table import Row


@dataclass(frozen=True)
class Request:
    """What a request asks for. `deadline_ms` is what remains of it (None or infinite: none given; negative: already late).

    With `min_accuracy`, rows that are not proven to reach it are out, those of unknown accuracy among them. `behind_ms`:
    what remains of the deadlines of those who wait behind it, in their order. `overlaps`: while it waits for the cloud, the
    device works for the next of them.
    """

    deadline_ms: float | None = None
    account: Account = Account.EDGE_NODE
    min_accuracy: float | None = None
    behind_ms: tuple[float, ...] = ()
    overlaps: bool = False

    def __post_init__(self) -> None:
        if self.deadline_ms is not None and not self.deadline_ms > -math.inf:
            raise InvalidInput(f"deadline_ms must be a number of milliseconds, not {self.deadline_ms}")
        if not all(left_ms > -math.inf for left_ms in self.behind_ms):
            raise InvalidInput(f"behind_ms must be milliseconds, infinite for no deadline, not {self.behind_ms}")
        if self.min_accuracy is not None and not 0 <= self.min_accuracy <= 1:
            raise InvalidInput(f"min_accuracy must lie between 0 and 1, not {self.min_accuracy}")


@dataclass(frozen=True)
class Choice:
    """The chosen row, its index, its expected cost without the margin, and why it was chosen.

    `in_time`: the prediction with the margin meets the deadline (always, when there is none).
    """

    row: Row
    index: int
    predicted_ms: float
    predicted_mj: float
    reason: str
    in_time: bool


class Aim(StrEnum):
    """By what one row is better than another: `energy` as it is expected, or as it is hoped."""

    HOPE = "hope"
    ENERGY = "energy"
    LATENCY = "latency"
    CHANCE = "chance"


@dataclass(frozen=True, eq=False)
class Grounds:
    """What a choice went by: the best row by `aim` among `rows` (indices; None: all).

    By hope, only those count that are surely in time by `due`; by chance, it is that of meeting the request's own deadline.
    """

    rows: Indices | None
    aim: Aim
    due: Due = NO_HURRY


def choose(strategy: str, candidates: Candidates, request: Request) -> Choice:
    """The row for a request.

    While the cloud is not available, or nothing more may be sent today, rows that use it are out whatever the strategy;
    `cloud-only` then takes what `edge-only` would. Rows for which the device cannot be made ready now are out as long as
    there are others. Raises InvalidInput for an unknown strategy, for an accuracy that no
    row is proven to reach, for `edge_active` where it is unknown, and when no row is left of the kind that the strategy
    is about; ServiceMissing when only rows are left that may not be used now.
    """
    return decide(strategy, candidates, request)[0]


def decide(strategy: str, candidates: Candidates, request: Request) -> tuple[Choice, Grounds]:
    """As `choose`, with what it went by."""
    rule = _rule(strategy)
    index, reason, grounds = rule(_pool(candidates, request.account, request.min_accuracy), request)
    expected = candidates.expected(request.account)
    choice = Choice(
        row=candidates.rows[index],
        index=index,
        predicted_ms=float(expected.latency_ms[index]),
        predicted_mj=float(expected.energy_mj[index]),
        reason=reason,
        in_time=request.deadline_ms is None or bool(expected.guarded_ms[index] <= request.deadline_ms),
    )
    return choice, grounds


def choose_rows(strategy: str, candidates: Candidates, deadlines_ms: Floats, request: Request | None = None) -> Indices:
    """What `choose` says for many requests that differ in their deadline only, decided with what is known now.

    `deadlines_ms` [n], infinite for none; the answer [n] are indices of rows. Errors as for `choose`.
    """
    rule, asked = _rule(strategy), request or Request()
    pool = _pool(candidates, asked.account, asked.min_accuracy)
    if strategy == DYNASPLIT:
        return pool.indices_of(policy.rows_for(pool.expected, deadlines_ms))
    return np.full(np.shape(deadlines_ms), rule(pool, asked)[0], dtype=np.intp)


@dataclass(frozen=True, eq=False)
class _Pool:
    """The rows that a strategy may still pick, as indices into the table; None stands for all of them.

    `unusable_too`: where the device cannot be made ready for some, those that may be picked with them.
    """

    candidates: Candidates
    account: Account
    indices: Indices | None
    unusable_too: Indices | None = None

    @cached_property
    def expected(self) -> Expected:
        whole = self.candidates.expected(self.account)
        return whole if self.indices is None else whole.of(self.indices)

    def picked(self, position: int, reason: str, aim: Aim, due: Due = NO_HURRY) -> _Picked:
        """The row at this position of the pool, as an index into the table, with the grounds."""
        index = position if self.indices is None else int(self.indices[position])
        return index, reason, Grounds(self.indices, aim, due)

    def indices_of(self, positions: Indices) -> Indices:
        """As `index`, for many."""
        return positions if self.indices is None else self.indices[positions]

    def where(self, keep: Flags) -> _Pool:
        """The pool without the rows that are not to be kept; `keep` has one flag a row of the table."""
        indices = np.flatnonzero(keep) if self.indices is None else self.indices[keep[self.indices]]
        return replace(self, indices=indices)

    @property
    def empty(self) -> bool:
        return self.indices is not None and not len(self.indices)


def check_strategy(strategy: str) -> None:
    """InvalidInput for a name that is none."""
    _rule(strategy)


def _rule(strategy: str) -> _Rule:
    try:
        return _RULES[strategy]
    except KeyError as error:
        raise InvalidInput(f"strategy must be one of {', '.join(STRATEGIES)}, not {strategy!r:.40}") from error


def _pool(candidates: Candidates, account: Account, min_accuracy: float | None) -> _Pool:
    """The rows that device and request allow."""
    wanted = candidates.limits.accuracy_with(min_accuracy)
    if wanted is None and candidates.all_allowed:
        return _Pool(candidates, account, None)
    accurate = candidates.limits.accurate(candidates.parts, min_accuracy)
    if wanted is not None and not accurate.any():
        raise InvalidInput(_accuracy_out_of_reach(candidates.parts.accuracy, wanted))
    indices = np.flatnonzero(accurate & candidates.allowed)
    if not len(indices):
        raise ServiceMissing(f"{_why_alone(candidates)}, and the table has no edge-only row that would serve")
    usable = _usable(candidates, indices)
    return _Pool(candidates, account, usable, None if usable is indices else indices)


def _usable(candidates: Candidates, indices: Indices) -> Indices:
    """Those for which the device can be made ready now; where it can for none, all: whoever runs one does what is possible."""
    limits, parts = candidates.limits, candidates.parts
    if limits.all_usable:
        return indices
    for flags in (limits.usable_accelerator(parts), limits.usable_clock(parts)):
        usable = indices[flags[indices]]
        indices = usable if len(usable) else indices
    return indices


def _why_alone(candidates: Candidates) -> str:
    """Why rows that use the cloud are out."""
    if not candidates.cloud_available:
        return "the cloud cannot be reached"
    return f"nothing that this device may still send would do ({_limits(candidates)})"


def _limits(candidates: Candidates) -> str:
    limits = candidates.limits
    clocks = "" if limits.any_clock else f", clocks {limits.clock_range}"
    return f"min_cut {limits.min_cut}, bytes left today: {limits.bytes_left:.0f}{clocks}"


def _accuracy_out_of_reach(accuracy: Floats, wanted: float) -> str:
    known = accuracy[~np.isnan(accuracy)]
    best = f"the best one known is {known.max():.4g}" if len(known) else "nobody evaluated any; evaluate the network"
    return f"no row of the table is proven to reach accuracy {wanted:.4g}: {best}"


def _dynasplit(pool: _Pool, request: Request) -> _Picked:
    expected, due = pool.expected, _due(pool.expected, request)
    if due.never:
        cheapest = policy.cheapest(expected)
        return pool.picked(cheapest, f"{_lowest(expected, cheapest, due)}; no deadline", Aim.HOPE)
    position = policy.cheapest_of(expected, due.late_ms(expected) <= 0)
    if (
        position is None and due.overlaps
    ):  # what is quick may hold the device for long: then its own deadline goes first
        due = Due(due.own_ms)
        position = policy.cheapest_of(expected, due.late_ms(expected) <= 0)
    if position is None:
        return _in_spite(pool, due.own_ms)
    for_whom = " for those behind it" if due.behind_ms < due.own_ms else ""
    return pool.picked(position, f"{_lowest(expected, position, due)} in time{for_whom}", Aim.HOPE, due)


def _due(expected: Expected, request: Request) -> Due:
    own_ms = math.inf if request.deadline_ms is None else request.deadline_ms
    if not request.behind_ms:
        return Due(own_ms)
    quick_ms = float(expected.guarded_ms.min())
    held_ms = float(expected.held_ms.min()) if request.overlaps else None
    return Due(own_ms, latest_end_ms(request.behind_ms, quick_ms, held_ms), request.overlaps)


def _lowest(expected: Expected, position: int, due: Due) -> str:
    """What the row in this position has that others in time have not."""
    cheaper = (expected.energy_mj < expected.energy_mj[position]) & (due.late_ms(expected) <= 0)
    return "lowest hoped energy" if np.count_nonzero(cheaper) else "lowest energy"


def _in_spite(pool: _Pool, deadline_ms: float) -> _Picked:
    """Where no row is surely in time."""
    position = policy.likeliest(pool.expected, deadline_ms)
    if policy.chances(pool.expected, deadline_ms) is None:
        return pool.picked(position, "lowest latency; none can be in time", Aim.LATENCY)
    return pool.picked(position, "best chance; none is surely in time", Aim.CHANCE, Due(deadline_ms))


def _cloud_only(pool: _Pool, request: Request) -> _Picked:
    parts, allowed = pool.candidates.parts, pool.candidates.allowed
    if not (allowed & parts.uses_cloud).any() and parts.uses_cloud.any():
        index, reason, grounds = _edge_only(pool, request)
        return index, f"{reason}; {_why_alone(pool.candidates)}", grounds
    return _fastest_at_top_clock(pool, parts.cut == 0, "cloud-only")


def _edge_only(pool: _Pool, _request: Request) -> _Picked:
    return _fastest_at_top_clock(pool, ~pool.candidates.parts.uses_cloud, "edge-only")


def _fastest_at_top_clock(pool: _Pool, kind: Flags, name: str) -> _Picked:
    ends, cpu_khz = pool.where(kind), pool.candidates.parts.cpu_khz
    if ends.empty and pool.unusable_too is not None:
        ends = replace(pool, indices=pool.unusable_too).where(kind)
    if ends.empty:
        raise InvalidInput(f"strategy {name}: the table has no {name} row that would serve this request")
    at_top = ends.where(cpu_khz == cpu_khz[ends.indices].max())
    return at_top.picked(policy.fastest(at_top.expected), f"{name}, lowest latency at the highest clock", Aim.LATENCY)


def _fastest(pool: _Pool, _request: Request) -> _Picked:
    return pool.picked(policy.fastest(pool.expected), "lowest latency", Aim.LATENCY)


def _energy_saver(pool: _Pool, _request: Request) -> _Picked:
    return pool.picked(policy.least_energy(pool.expected), "lowest energy", Aim.ENERGY)


_Picked = tuple[int, str, Grounds]
"""The row's index in the table, why, and by what."""

_Rule = Callable[[_Pool, Request], _Picked]

DYNASPLIT = "dynasplit"

_RULES: Mapping[str, _Rule] = {
    DYNASPLIT: _dynasplit,
    "cloud-only": _cloud_only,
    "edge-only": _edge_only,
    "fastest": _fastest,
    "energy-saver": _energy_saver,
}

STRATEGIES: tuple[str, ...] = tuple(_RULES)
"""The names that `choose` takes."""
