"""The figures of any configuration, each with its uncertainty, from the rows of those that were measured."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

import numpy as np

from planner.costs.fields import Effects, Field, of_head_watts, of_tails, of_waiting
from planner.costs.head_times import Heads, HeadTimes, fit_heads
from planner.pricing import Floats
from protocol.configuration import CloudAccelerator, Codec, Configuration, EdgeAccelerator
from protocol.table import Row

Way = tuple[bool, int]
"""Whether with TPU, and threads: what computes heads whose times have a model together."""

Boundary = tuple[int, Codec]
Column = tuple[Floats, Floats]
"""A figure of several configurations, and its relative standard deviation."""

Key = TypeVar("Key", bound=Hashable)

_MAD_TO_DEVIATION = 1.4826
_ENOUGH, _USUAL_NOISE, _LEAST_NOISE = 4, 4e-4, 1e-10
"""So many repeats tell the noise; before that, a standard deviation of 2 % is assumed."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Models of the parts. `up_bytes`: what is sent. `idle_heads`: where the device computes nothing."""

    up_bytes: Mapping[Boundary, int]
    idle_heads: frozenset[Boundary]
    heads: Mapping[Way, HeadTimes]
    head_watts: Field
    waits: Field
    tails: Field
    node_watts: Field
    active_watts: Mapping[CloudAccelerator, Field]

    @classmethod
    def of(cls, rows: Sequence[Row], up_bytes: Mapping[Boundary, int] | None = None) -> Predictions:
        """From at least one row, each of another configuration; `up_bytes` where more is known of boundaries than theirs."""
        last = max(row.configuration.cut for row in rows)
        busy = [row for row in rows if row.head_ms > 0]
        sending = [row for row in rows if row.uses_cloud]
        measured = grouped(rows, boundary_of)
        sent = {key: round(median(row.up_bytes for row in group)) for key, group in measured.items()}
        up_bytes = {**(up_bytes or {}), **sent}
        knowing = [row for row in sending if row.cloud_active_mj is not None]
        return cls(
            up_bytes=up_bytes,
            idle_heads=frozenset(measured) - {boundary_of(row.configuration) for row in busy},
            heads=_heads(busy, up_bytes),
            head_watts=_head_watts(busy, last=last),
            waits=_pooled(sending, of_waiting, _plugged, lambda row: row.wait_w, last=last),
            tails=_pooled(sending, of_tails, _tail, lambda row: row.cloud_ms, last=last),
            node_watts=_pooled(sending, of_tails, _tail, _node_watts, last=last),
            active_watts={
                cloud: _pooled(group, of_tails, _tail, _active_watts, last=last)
                for cloud, group in grouped(knowing, lambda item: item.cloud_accelerator).items()
            },
        )

    def columns(self, configurations: Sequence[Configuration]) -> dict[str, Column]:
        """By figure of a row. `cloud_active_mj` is NaN where it is unknown; edge-only ones have a tail too, to be ignored."""
        head_ms, head_off = self._head_ms(configurations)
        head_w, head_w_off = self.head_watts.predicted(configurations)
        cloud_ms, cloud_off = self.tails.predicted(configurations)
        node_w, node_off = self.node_watts.predicted(configurations)
        active_w, active_off = self._active_watts(configurations)
        return {
            "head_ms": (head_ms, head_off),
            "head_mj": (head_ms * head_w, np.hypot(head_off, head_w_off)),
            "wait_w": self.waits.predicted(configurations),
            "cloud_ms": (cloud_ms, cloud_off),
            "cloud_node_mj": (cloud_ms * node_w, np.hypot(cloud_off, node_off)),
            "cloud_active_mj": (cloud_ms * active_w, np.hypot(cloud_off, active_off)),
        }

    def _head_ms(self, configurations: Sequence[Configuration]) -> Column:
        times_ms, off = np.zeros(len(configurations)), np.zeros(len(configurations))
        places: dict[Way, list[int]] = defaultdict(list)
        for place, item in enumerate(configurations):
            if boundary_of(item) not in self.idle_heads:
                places[way_of(item)].append(place)
        for way, of_way in places.items():
            picked = [configurations[place] for place in of_way]
            heads = Heads.of(picked, [self.up_bytes[boundary_of(item)] for item in picked])
            times_ms[of_way], off[of_way] = self.heads[way].predicted(heads)
        return times_ms, off

    def _active_watts(self, configurations: Sequence[Configuration]) -> Column:
        watts, off = np.full(len(configurations), np.nan), np.zeros(len(configurations))
        for cloud, of_cloud in self.active_watts.items():
            places = [place for place, item in enumerate(configurations) if item.cloud_accelerator is cloud]
            if places:
                watts[places], off[places] = of_cloud.predicted([configurations[place] for place in places])
        return watts, off


def way_of(configuration: Configuration) -> Way:
    return configuration.edge_accelerator is not EdgeAccelerator.OFF, configuration.threads


def boundary_of(configuration: Configuration) -> Boundary:
    return configuration.cut, configuration.codec


def grouped(rows: Iterable[Row], key_of: Callable[[Configuration], Key]) -> dict[Key, list[Row]]:
    groups: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key_of(row.configuration)].append(row)
    return groups


def _heads(busy: Sequence[Row], up_bytes: Mapping[Boundary, int]) -> dict[Way, HeadTimes]:
    models = {}
    for way, group in grouped(busy, way_of).items():
        configurations = [row.configuration for row in group]
        heads = Heads.of(configurations, [up_bytes[boundary_of(item)] for item in configurations])
        models[way] = fit_heads(heads, np.array([row.head_ms for row in group]))
    return models


def _head_watts(busy: Sequence[Row], *, last: int) -> Field:
    """What a short head drew is seen badly beside what the device drew while it waited."""
    configurations = [row.configuration for row in busy]
    watts = np.array([row.head_mj / row.head_ms for row in busy])
    blur = np.array([1 + (row.cloud_ms / row.head_ms) ** 2 for row in busy])
    seen = Counter((way_of(item), item.cpu_khz) for item in configurations)
    doubted = np.array([seen[way_of(item), item.cpu_khz] > 2 for item in configurations])
    return Field.of(of_head_watts, configurations, watts, last=last, blur=blur, doubted=doubted)


def _pooled(
    rows: Sequence[Row],
    effects: Effects,
    key_of: Callable[[Configuration], Hashable],
    figure_of: Callable[[Row], float],
    *,
    last: int,
) -> Field:
    """A field of medians, one of all rows that have the same key."""
    groups = list(grouped(rows, key_of).values())
    configurations = [group[0].configuration for group in groups]
    figures = [[figure_of(row) for row in group] for group in groups]
    medians, blur = np.array([median(found) for found in figures]), np.array([1 / len(found) for found in figures])
    return Field.of(effects, configurations, medians, last=last, blur=blur, noise=_scatter(figures))


def _scatter(figures: Sequence[Sequence[float]]) -> float:
    """The variance of the logarithms of figures that should be the same, robustly; what is usual where few are repeated."""
    off = [
        abs(np.log(value / median(found))) * np.sqrt(len(found) / (len(found) - 1))
        for found in figures
        if len(found) > 1 and min(found) > 0
        for value in found
    ]
    return max((_MAD_TO_DEVIATION * median(off)) ** 2, _LEAST_NOISE) if len(off) >= _ENOUGH else _USUAL_NOISE


def _plugged(configuration: Configuration) -> tuple[EdgeAccelerator, int]:
    """What the watts while waiting depend on: plugged in, a TPU draws too."""
    return configuration.edge_accelerator, configuration.cpu_khz


def _tail(configuration: Configuration) -> tuple[int, Codec, CloudAccelerator]:
    return configuration.cut, configuration.codec, configuration.cloud_accelerator


def _node_watts(row: Row) -> float:
    """mJ / ms = W."""
    return row.cloud_node_mj / row.cloud_ms if row.cloud_ms else 0.0


def _active_watts(row: Row) -> float:
    return (row.cloud_active_mj or 0.0) / row.cloud_ms if row.cloud_ms else 0.0
