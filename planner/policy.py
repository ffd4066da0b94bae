"""The rule of DynaSplit (arXiv 2410.23881): the cheapest row that is in time, else the fastest.

Rows are given as arrays of their latency in ms and energy in mJ; answers are row indices. `guarded_ms` is the latency
with the margin on it, which is what must meet the deadline. Equal energy goes to the faster row, equal latency to the
cheaper one, a full tie to the row that comes first.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from planner.pricing import Floats
from protocol.errors import InvalidInput

Indices = npt.NDArray[np.intp]


def fastest(latency_ms: Floats, energy_mj: Floats) -> int:
    """The row with the lowest latency."""
    return _lowest(latency_ms, energy_mj)


def cheapest(latency_ms: Floats, energy_mj: Floats) -> int:
    """The row with the lowest energy."""
    return _lowest(energy_mj, latency_ms)


def cheapest_in_time(guarded_ms: Floats, energy_mj: Floats, deadline_ms: float) -> int | None:
    """The cheapest row whose guarded latency meets the deadline; None when there is none. Linear, for one request."""
    in_time = guarded_ms <= deadline_ms
    if not in_time.any():
        return None
    return _lowest(np.where(in_time, energy_mj, np.inf), guarded_ms)


def rows_for(
    deadlines_ms: npt.ArrayLike, latency_ms: Floats, energy_mj: Floats, *, guarded_ms: Floats | None = None
) -> Indices:
    """The row for each deadline: what `cheapest_in_time`, else `fastest`, say, for n rows and m deadlines in
    O((n + m) log n). Without `guarded_ms` the latencies stand for themselves; an infinite deadline is no deadline."""
    deadlines = np.asarray(deadlines_ms, dtype=np.float64)
    if np.isnan(deadlines).any():
        raise InvalidInput("a deadline is NaN; use infinity for none")
    guarded = latency_ms if guarded_ms is None else guarded_ms
    order = np.lexsort((energy_mj, guarded))
    energy = energy_mj[order]
    cheapest_so_far = np.minimum.accumulate(energy)
    improves = np.concatenate(([True], energy[1:] < cheapest_so_far[:-1]))
    best = order[np.maximum.accumulate(np.where(improves, np.arange(len(order)), 0))]
    in_time = np.searchsorted(guarded[order], deadlines, side="right")
    return np.where(in_time > 0, best[in_time - 1], fastest(latency_ms, energy_mj))


def _lowest(first: Floats, second: Floats) -> int:
    """The index of the lowest `first`; among equals, of the lowest `second`."""
    lowest = int(first.argmin())
    ties = np.flatnonzero(first == first[lowest])
    return lowest if len(ties) == 1 else int(ties[second[ties].argmin()])
