"""How a request gets its row: DynaSplit's rule and the baselines that it is compared with.

The one implementation for agent, simulator and demo. `dynasplit`: the cheapest row in time, else the fastest.
`cloud-only`, `edge-only`: the fastest such row at the highest clock. `fastest`: the lowest latency. `energy-saver`: the
lowest energy, whatever the deadline.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from planner import policy
from planner.margin import Margin
from planner.policy import Indices
from planner.pricing import Flags, Floats, Parts, Prices
from protocol.configuration import Account
from protocol.errors import InvalidInput, ServiceMissing
from protocol.link import Link
from protocol.table import Row

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True)
class Request:
    """What a request asks for. `deadline_ms` is what remains of it (None: none given, may be negative: already late).

    With `min_accuracy`, rows that are not proven to reach it are out, those of unknown accuracy among them.
    """

    deadline_ms: float | None = None
    account: Account = Account.EDGE_NODE
    min_accuracy: float | None = None

    def __post_init__(self) -> None:
        if self.deadline_ms is not None and math.isnan(self.deadline_ms):
            raise InvalidInput("deadline_ms must be a number of milliseconds, not NaN")
        if self.min_accuracy is not None and not 0 <= self.min_accuracy <= 1:
            raise InvalidInput(f"min_accuracy must lie between 0 and 1, not {self.min_accuracy}")


@dataclass(frozen=True)
class Choice:
    """The chosen row, its predicted cost without the margin, and why it was chosen.

    `in_time`: the prediction with the margin meets the deadline (always, when there is none).
    """

    row: Row
    predicted_ms: float
    predicted_mj: float
    reason: str
    in_time: bool


@dataclass(frozen=True, eq=False)
class Candidates:
    """The rows of a table, priced for the link and the margin of now. Thread-safe; prices are worked out on first use.

    Build once a table with `of`; when link, margin or the cloud's availability change, `now` prices the same columns
    again, which costs microseconds.
    """

    rows: Sequence[Row]
    parts: Parts
    link: Link
    margin: Margin
    cloud_available: bool = True

    @classmethod
    def of(
        cls, rows: Sequence[Row], link: Link, *, margin: Margin | None = None, cloud_available: bool = True
    ) -> Candidates:
        """Candidates from at least one row; without a margin, with its start value."""
        if not rows:
            raise InvalidInput("candidates: a table needs at least one row")
        return cls(rows, Parts.of(rows), link, margin or Margin(), cloud_available)

    def now(self, link: Link, *, margin: Margin | None = None, cloud_available: bool = True) -> Candidates:
        """The same rows for another link; the margin stays when none is given."""
        return replace(self, link=link, margin=margin or self.margin, cloud_available=cloud_available)

    def prices(self, account: Account) -> Prices:
        """Latency and energy of all rows; InvalidInput for `edge_active` where it is unknown."""
        prices = self._priced.get(account)
        if prices is None:
            prices = self._priced[account] = self.parts.priced(self.link, account)
        return prices

    @cached_property
    def guarded_ms(self) -> Floats:
        """The latency of each row with the margin on it: on the head that of the device, on the rest that of the cloud."""
        return self.parts.head_ms * self.margin.edge + self.parts.waiting_ms(self.link) * self.margin.cloud

    @cached_property
    def _priced(self) -> dict[Account, Prices]:
        return {}


def choose(strategy: str, table_view: Candidates, request: Request) -> Choice:
    """The row for a request.

    While the cloud is not available, rows that use it are out whatever the strategy; `cloud-only` then takes what
    `edge-only` would. Raises InvalidInput for an unknown strategy, for an accuracy that no row is proven to reach, for
    `edge_active` where it is unknown, and when no row is left of the kind that the strategy is about; ServiceMissing
    when only rows that need the absent cloud are left.
    """
    try:
        rule = _RULES[strategy]
    except KeyError as error:
        raise InvalidInput(f"strategy must be one of {', '.join(STRATEGIES)}, not {strategy!r:.40}") from error
    prices = table_view.prices(request.account)
    pool = _Pool(table_view, prices, indices=_eligible(table_view, request), deadline_ms=request.deadline_ms)
    index, reason = rule(pool)
    guarded_ms = float(table_view.guarded_ms[index])
    return Choice(
        row=table_view.rows[index],
        predicted_ms=float(prices.latency_ms[index]),
        predicted_mj=float(prices.energy_mj[index]),
        reason=reason,
        in_time=request.deadline_ms is None or guarded_ms <= request.deadline_ms,
    )


@dataclass(frozen=True, eq=False)
class _Pool:
    """The rows that a strategy may still pick, as indices into the table; None stands for all of them."""

    candidates: Candidates
    prices: Prices
    indices: Indices | None
    deadline_ms: float | None

    def of(self, column: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """The pool's part of a column of the table."""
        return column if self.indices is None else column[self.indices]

    def index(self, position: int) -> int:
        """The row's index in the table."""
        return position if self.indices is None else int(self.indices[position])

    def where(self, keep: Flags) -> _Pool:
        """The pool without the rows that are not to be kept; `keep` has one flag a row of the pool."""
        indices = np.flatnonzero(keep)
        return replace(self, indices=indices if self.indices is None else self.indices[indices])

    @property
    def latency_ms(self) -> Floats:
        return self.of(self.prices.latency_ms)

    @property
    def energy_mj(self) -> Floats:
        return self.of(self.prices.energy_mj)

    @property
    def guarded_ms(self) -> Floats:
        return self.of(self.candidates.guarded_ms)


def _eligible(candidates: Candidates, request: Request) -> Indices | None:
    if candidates.cloud_available and request.min_accuracy is None:
        return None
    parts = candidates.parts
    fit = np.ones(len(candidates.rows), dtype=np.bool_)
    if request.min_accuracy is not None:
        fit &= parts.accuracy >= request.min_accuracy
        if not fit.any():
            raise InvalidInput(_accuracy_out_of_reach(parts.accuracy, request.min_accuracy))
    if not candidates.cloud_available:
        fit &= ~parts.uses_cloud
        if not fit.any():
            raise ServiceMissing("the cloud cannot be reached, and the table has no edge-only row that would serve")
    return np.flatnonzero(fit)


def _accuracy_out_of_reach(accuracy: Floats, wanted: float) -> str:
    known = accuracy[~np.isnan(accuracy)]
    best = f"the best one known is {known.max():.4g}" if len(known) else "nobody evaluated any; evaluate the network"
    return f"no row of the table is proven to reach accuracy {wanted:.4g}: {best}"


def _dynasplit(pool: _Pool) -> tuple[int, str]:
    if pool.deadline_ms is None:
        return _energy_saver(pool)[0], "lowest energy; no deadline"
    position = policy.cheapest_in_time(pool.guarded_ms, pool.energy_mj, pool.deadline_ms)
    if position is None:
        return _fastest(pool)[0], "lowest latency; none is in time"
    return pool.index(position), "lowest energy in time"


def _cloud_only(pool: _Pool) -> tuple[int, str]:
    if not pool.candidates.cloud_available:
        index, reason = _edge_only(pool)
        return index, f"{reason}; the cloud cannot be reached"
    return _fastest_at_top_clock(pool.where(pool.of(pool.candidates.parts.cut) == 0), "cloud-only")


def _edge_only(pool: _Pool) -> tuple[int, str]:
    return _fastest_at_top_clock(pool.where(~pool.of(pool.candidates.parts.uses_cloud)), "edge-only")


def _fastest_at_top_clock(pool: _Pool, kind: str) -> tuple[int, str]:
    cpu_khz = pool.of(pool.candidates.parts.cpu_khz)
    if not len(cpu_khz):
        raise InvalidInput(f"strategy {kind}: the table has no {kind} row that would serve this request")
    index, reason = _fastest(pool.where(cpu_khz == cpu_khz.max()))
    return index, f"{kind}, {reason} at the highest clock"


def _fastest(pool: _Pool) -> tuple[int, str]:
    return pool.index(policy.fastest(pool.latency_ms, pool.energy_mj)), "lowest latency"


def _energy_saver(pool: _Pool) -> tuple[int, str]:
    return pool.index(policy.cheapest(pool.latency_ms, pool.energy_mj)), "lowest energy"


_RULES: Mapping[str, Callable[[_Pool], tuple[int, str]]] = {
    "dynasplit": _dynasplit,
    "cloud-only": _cloud_only,
    "edge-only": _edge_only,
    "fastest": _fastest,
    "energy-saver": _energy_saver,
}

STRATEGIES: tuple[str, ...] = tuple(_RULES)
"""The names that `choose` takes."""
