"""The rule of DynaSplit (arXiv 2410.23881): the cheapest row that is in time, else the one that has the best chance.

Answers are row indices. The energy is the hoped one: of rows that promise about the same, one that nobody has tried yet has
the benefit of the doubt, and is judged by what it shows (optimism in the face of uncertainty: Auer, Cesa-Bianchi and
Fischer, 2002). In time is a row whose guarded latency, the one with the margin on it, meets the deadline. Where
none is, the row goes first that is most likely in time all the same; where nothing has a chance, the fastest. Equal
energy goes to the row with the lower guarded latency, equal latency to the cheaper one, a full tie to the row that comes first.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from planner.pricing import Expected, Flags, Floats, Indices
from protocol.errors import InvalidInput

_HOPELESS = -3.0
"""Standard deviations below the expected latency at which a deadline has no chance."""


def fastest(expected: Expected) -> int:
    """The row with the lowest latency."""
    return _lowest(expected.latency_ms, expected.energy_mj)


def cheapest(expected: Expected) -> int:
    """The row with the lowest energy."""
    return _lowest(expected.hoped_mj, expected.guarded_ms)


def least_energy(expected: Expected) -> int:
    """The row with the lowest energy as it is expected, whatever may be hoped of another. No rule of ours: a baseline."""
    return _lowest(expected.energy_mj, expected.guarded_ms)


def cheapest_in_time(expected: Expected, deadline_ms: float) -> int | None:
    """The cheapest row whose guarded latency meets the deadline; None when there is none. Linear, for one request."""
    return cheapest_of(expected, expected.guarded_ms <= deadline_ms)


def cheapest_of(expected: Expected, in_time: Flags) -> int | None:
    """The cheapest of these rows; None when there is none."""
    if not np.count_nonzero(in_time):
        return None
    return _lowest(np.where(in_time, expected.hoped_mj, np.inf), expected.guarded_ms)


def likeliest(expected: Expected, deadline_ms: float) -> int:
    """The row that is most likely in time although none is surely; the fastest where even that is hopeless."""
    known = chances(expected, deadline_ms)
    return fastest(expected) if known is None else _lowest(-known, expected.energy_mj)


def chances(expected: Expected, deadline_ms: float) -> Floats | None:
    """By how many of its standard deviations each row is expected before the deadline, the more the likelier in time
    (infinite: for certain, or certainly not). A row that is expected later than the surest one promises is no chance but a
    gamble, and certainly not. None without a deadline, and where all are hopeless."""
    if math.isinf(deadline_ms):
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        deviations = (deadline_ms - expected.latency_ms) / expected.spread_ms
    known: Floats = np.nan_to_num(deviations, nan=np.inf, posinf=np.inf, neginf=-np.inf)  # NaN: exactly in time
    known[expected.latency_ms > expected.guarded_ms.min()] = -np.inf
    return known if known.max() >= _HOPELESS else None


def rows_for(expected: Expected, deadlines_ms: npt.ArrayLike) -> Indices:
    """The row for each deadline: what `cheapest_in_time`, else `likeliest`, say, for n rows and m deadlines in
    O((n + m) log n), and O(n) more for each different deadline that none surely meets. Infinite: no deadline."""
    deadlines = np.asarray(deadlines_ms, dtype=np.float64)
    if not (deadlines > -np.inf).all():
        raise InvalidInput("a deadline must be a number of milliseconds, not NaN or -inf; use infinity for none")
    order = np.lexsort((expected.hoped_mj, expected.guarded_ms))
    energy = expected.hoped_mj[order]
    cheapest_so_far = np.minimum.accumulate(energy)
    improves = np.concatenate(([True], energy[1:] < cheapest_so_far[:-1]))
    best = order[np.maximum.accumulate(np.where(improves, np.arange(len(order)), 0))]
    in_time = np.searchsorted(expected.guarded_ms[order], deadlines, side="right")
    chosen = best[in_time - 1]
    return np.where(in_time > 0, chosen, _likeliest_rows(expected, deadlines, in_time == 0))


def _likeliest_rows(expected: Expected, deadlines: Floats, tight: npt.NDArray[np.bool_]) -> Indices:
    """`likeliest` where `tight`, anything elsewhere."""
    chosen = np.zeros(deadlines.shape, dtype=np.intp)
    values, places = np.unique(deadlines[tight], return_inverse=True)
    if len(values):
        chosen[tight] = np.array([likeliest(expected, float(value)) for value in values], dtype=np.intp)[places]
    return chosen


def _lowest(first: Floats, second: Floats) -> int:
    """The index of the lowest `first`; among equals, of the lowest `second`."""
    lowest = int(first.argmin())
    ties = np.flatnonzero(first == first[lowest])
    return lowest if len(ties) == 1 else int(ties[second[ties].argmin()])
