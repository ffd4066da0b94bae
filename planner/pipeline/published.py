"""The published planning problem (SEIFER, arXiv 2210.12218 and 2210.12219): only what crosses a cut costs time.

An instance is a JSON object of a `model` (`transfer_mbit` [P+1], what crosses each point; `segment_mem_bytes` [P], which add
up) and a `cluster` (`bandwidth_mbps` [N, N], `mem_capacity_bytes` [N]). Mbit are 2**20 bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from planner.pipeline.instance import FARTHEST_M, RATES_MBPS, Codec, Flags, Floats, Instance, Node, Pieces
from protocol.errors import InvalidInput

MBIT_BYTES = 2.0**20 / 8
"""Of a published Mbit."""
_MOST_MBIT, _MOST_BYTES = 1e12, 1e18


def read_published(content: object, *, name: str = "instance") -> Instance:
    """The instance that a published JSON document describes. Raises InvalidInput, which says what is wrong and where."""
    model, cluster = _part(content, "model"), _part(content, "cluster")
    memory = _sizes(model, "model", "segment_mem_bytes", most=_MOST_BYTES)
    if not len(memory):
        raise InvalidInput("model.segment_mem_bytes is empty: a network has at least one piece")
    transfer = _sizes(model, "model", "transfer_mbit", most=_MOST_MBIT) * MBIT_BYTES
    if len(transfer) != len(memory) + 1:
        raise InvalidInput(
            f"model.transfer_mbit must have one entry more than model.segment_mem_bytes ({len(memory)}), not {len(transfer)}"
        )
    capacity = _sizes(cluster, "cluster", "mem_capacity_bytes", most=_MOST_BYTES)
    rate = _rates(cluster) * MBIT_BYTES
    if rate.shape != (len(capacity), len(capacity)):
        raise InvalidInput(
            f"cluster.bandwidth_mbps must be {len(capacity)} x {len(capacity)}, as mem_capacity_bytes has "
            f"{len(capacity)} nodes, not {' x '.join(map(str, rate.shape))}"
        )
    _check_links(rate)
    return instance(
        name,
        memory,
        transfer,
        capacity,
        rate,
        labels=_labels(model, len(transfer)),
        positions=_positions(cluster, len(capacity)),
    )


def instance(
    name: str,
    memory_bytes: Floats,
    transfer_bytes: Floats,
    capacity_bytes: Floats,
    rate: Floats,
    *,
    labels: tuple[str, ...] | None = None,
    positions: tuple[tuple[float, float] | None, ...] | None = None,
) -> Instance:
    """An instance in which computing, coding, and the ways in and out cost nothing."""
    nodes, points = len(capacity_bytes), len(transfer_bytes)
    free = np.zeros((nodes, points))
    return Instance(
        name=name,
        pieces=Pieces(labels or tuple(str(point) for point in range(points)), memory_bytes, np.zeros(points - 1)),
        codecs=(Codec("raw", transfer_bytes, free, free),),
        nodes=tuple(
            Node(str(index), float(size), position_m=positions[index] if positions else None)
            for index, size in enumerate(capacity_bytes)
        ),
        compute_s=np.zeros((nodes, points - 1)),
        rate=rate,
        rate_in=np.full(nodes, np.inf),
        rate_out=np.full(nodes, np.inf),
    )


def _check_links(rate: Floats) -> None:
    """InvalidInput for what is no cluster: one node alone, or one that nobody has a link to."""
    if len(rate) < 2:
        raise InvalidInput(f"cluster.mem_capacity_bytes has {len(rate)} node(s): a cluster has at least two")
    between = np.where(np.eye(len(rate), dtype=bool), 0.0, rate)
    alone = np.flatnonzero(~(between.any(axis=0) | between.any(axis=1)))
    if len(alone):
        raise InvalidInput(
            f"cluster.bandwidth_mbps: node {alone[0]} cannot be reached, its row and its column are 0: leave it out"
        )


def _part(content: object, key: str) -> Mapping[str, Any]:
    part = content.get(key) if isinstance(content, Mapping) else None
    if not isinstance(part, Mapping):
        raise InvalidInput(f"this is no planning instance: it needs an object '{key}' (with 'model' and 'cluster')")
    return part


def _numbers(part: Mapping[str, Any], where: str, key: str, dimensions: int) -> Floats:
    values = part.get(key)
    shape = "a list of numbers" if dimensions == 1 else "a list of rows of numbers, all of the same length"
    try:
        if not isinstance(values, list) or _has_strangers(values):
            raise ValueError
        array = np.array(values, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        raise InvalidInput(f"{where}.{key} must be {shape}") from None
    if array.ndim != dimensions and array.size:
        raise InvalidInput(f"{where}.{key} must be {shape}")
    _refuse(~np.isfinite(array) | (array < 0), array, f"{where}.{key}", "a number of 0 or more")
    return array.reshape((0,) * dimensions) if not array.size else array


def _sizes(part: Mapping[str, Any], where: str, key: str, *, most: float) -> Floats:
    sizes = _numbers(part, where, key, 1)
    _refuse(sizes > most, sizes, f"{where}.{key}", f"at most {most:g}")
    return sizes


def _rates(cluster: Mapping[str, Any]) -> Floats:
    rates, (least, most) = _numbers(cluster, "cluster", "bandwidth_mbps", 2), RATES_MBPS
    outside = (rates > 0) & ((rates < least) | (rates > most))
    _refuse(outside, rates, "cluster.bandwidth_mbps", f"0, or {least:g} to {most:g} Mbit/s")
    return rates


def _refuse(wrong: Flags, values: Floats, what: str, must_be: str) -> None:
    """InvalidInput that names the first entry that is wrong."""
    if wrong.any():
        at = "".join(f"[{index}]" for index in np.argwhere(wrong)[0])
        raise InvalidInput(f"{what}{at} must be {must_be}, not {values[wrong][0]}")


def _has_strangers(values: list[Any]) -> bool:
    flat = [each for row in values for each in (row if isinstance(row, list) else [row])]
    return any(isinstance(each, bool) or not isinstance(each, int | float) for each in flat)


def _labels(model: Mapping[str, Any], points: int) -> tuple[str, ...] | None:
    labels = model.get("points")
    if not isinstance(labels, list) or len(labels) != points:
        return None
    return tuple(str(label) for label in labels)


def _positions(cluster: Mapping[str, Any], nodes: int) -> tuple[tuple[float, float], ...] | None:
    positions = cluster.get("positions")
    if not isinstance(positions, list) or len(positions) != nodes:
        return None
    try:
        places = tuple((float(x), float(y)) for x, y in positions)
    except (TypeError, ValueError, OverflowError):
        return None
    for index, place in enumerate(places):
        if not all(abs(each) <= FARTHEST_M for each in place):
            raise InvalidInput(
                f"cluster.positions[{index}] must lie within {FARTHEST_M:g} m of 0, not at {list(place)}"
            )
    return places
