"""The Pareto front over the parts of rows: what may be dropped without any link or account missing it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from planner.pricing import Flags, Floats, Indices, Parts, Prices
from protocol.table import Row

_BLOCK = 256


def undominated(rows: Sequence[Row]) -> list[Row]:
    """The rows that no other row beats, in their order.

    A row goes only when another one is as good in every part and better in one: head time and energy, watts while
    waiting, bytes each way, cloud time, cloud energy of each account, accuracy. Latency and energy grow with each part
    whatever the link and account (and whatever load stretches the cloud's time), so the row that went is never missed.
    An edge-only row has zeros for all that only the cloud costs. What is unknown is never better than what is known.
    Rows with the same figures all stay.
    """
    if not rows:
        return []
    kept = _undominated(_lower_is_better(Parts.of(rows)))
    return [row for row, keep in zip(rows, kept, strict=True) if keep]


def front(prices: Prices, accuracy: Floats | None = None) -> Indices:
    """The rows that are worth using at these prices, the fastest first: each next one is slower and cheaper.

    With their accuracies [n] (NaN: unknown, which is never better) a row may also be slower and dearer, but more
    accurate than all that beat it; of rows that are equal in everything the first one stays.
    """
    if accuracy is None or np.isnan(accuracy).all():
        return _slower_and_cheaper(prices)
    order = np.lexsort((prices.energy_mj, prices.latency_ms))
    points = np.column_stack([prices.latency_ms, prices.energy_mj, -np.nan_to_num(accuracy, nan=-1.0)])
    _, first = np.unique(points, axis=0, return_index=True)
    kept = np.zeros(len(points), dtype=np.bool_)
    kept[np.sort(first)[_undominated(points[np.sort(first)])]] = True
    return order[kept[order]]


def _slower_and_cheaper(prices: Prices) -> Indices:
    order = np.lexsort((prices.energy_mj, prices.latency_ms))
    energy = prices.energy_mj[order]
    cheapest_before = np.minimum.accumulate(np.concatenate(([np.inf], energy[:-1])))
    return order[energy < cheapest_before]


def _lower_is_better(parts: Parts) -> Floats:
    sends = parts.uses_cloud
    return np.column_stack(
        [
            parts.head_ms,
            parts.head_mj,
            parts.wait_w * sends,
            parts.up_bytes,
            parts.down_bytes * sends,
            parts.cloud_ms * sends,
            parts.cloud_node_mj * sends,
            np.where(sends, np.nan_to_num(parts.cloud_active_mj, nan=np.inf), 0.0),
            -np.nan_to_num(parts.accuracy, nan=-1.0),
        ]
    )


def _undominated(points: Floats) -> Flags:
    """Which points no other one dominates, the lower the better.

    In lexicographic order whoever dominates comes first, and dominance is transitive: each block needs to be held only
    against itself and against what has survived before it.
    """
    order = np.lexsort(points.T[::-1])
    survivors: list[Floats] = []
    kept = np.zeros(len(points), dtype=np.bool_)
    for start in range(0, len(order), _BLOCK):
        indices = order[start : start + _BLOCK]
        for better in survivors:
            indices = indices[~_dominated(points[indices], better)]
        indices = indices[~_dominated(points[indices], points[indices])]
        kept[indices] = True
        survivors.append(points[indices])
    return kept


def _dominated(points: Floats, others: Floats) -> Flags:
    """Which points are dominated by one of the others: as low in all columns, lower in one."""
    as_low = np.ones((len(points), len(others)), dtype=np.bool_)
    lower = np.zeros_like(as_low)
    for column, other in zip(points.T, others.T, strict=True):
        as_low &= other[None, :] <= column[:, None]
        lower |= other[None, :] < column[:, None]
    return np.asarray((as_low & lower).any(axis=1))
