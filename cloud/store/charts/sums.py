"""Putting buckets together from sums by kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from cloud.store.charts.port import Bucket


@dataclass(frozen=True)
class Part:
    """Inferences of one bucket whose energies are of the same kinds; the energies are None where none of them has any."""

    start: float
    name: str
    edge_kinds: str
    cloud_kinds: str
    count: int
    violations: int
    edge_mj: float | None
    cloud_mj: float | None


def buckets_of(parts: Iterable[Part]) -> list[Bucket]:
    """One bucket for all parts with the same start and name, in their order."""
    gathered: dict[tuple[float, str], list[Part]] = defaultdict(list)
    for part in parts:
        gathered[(part.start, part.name)].append(part)
    return [_bucket(*place, gathered[place]) for place in sorted(gathered)]


def _bucket(start: float, name: str, parts: list[Part]) -> Bucket:
    return Bucket(
        start,
        name,
        sum(part.count for part in parts),
        sum(part.violations for part in parts),
        _by_kind((part.edge_kinds, part.edge_mj) for part in parts),
        _by_kind((part.cloud_kinds, part.cloud_mj) for part in parts),
    )


def _by_kind(energies: Iterable[tuple[str, float | None]]) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for kinds, energy_mj in energies:
        if energy_mj is not None:
            sums[kinds] += energy_mj
    return dict(sorted(sums.items()))
