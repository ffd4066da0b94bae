"""Clusters that are made up: nodes on a square map, and the rates that follow from where they stand.

`wifi` is the family of the SEIFER papers (arXiv 2210.12218, 2210.12219): nodes uniform in a square of 150 m, all within reach of
each other at log2(1 + 283230 / d^2) Mbit/s over d metres, Shannon's capacity of 1 MHz.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from planner.pipeline.instance import Floats, Medium
from protocol.errors import InvalidInput

PUBLISHED_SIDE_M = 150.0

_SIGNAL_M2 = 283230.0
_LEAST_M = 1.0
_SIDES_M = (1.0, 1e6)
_MOST_NODES = 1000


class Topology(StrEnum):
    """Who has a link to whom.

    `wifi`: everybody to everybody. `star`: everybody through one access point in the middle, where the dispatcher is as well.
    `mesh`: neighbours alone, as far as it takes that everybody can be reached over others; nothing is passed on.
    """

    WIFI = "wifi"
    STAR = "star"
    MESH = "mesh"


@dataclass(frozen=True, eq=False)
class Layout:
    """N nodes: `positions_m` [N, 2], and Mbit/s (10^6 bit/s) between them, `mbps` [N, N], 0 where there is no link.

    With a `hub_m`, `hub_mbps` [N] are the rates from and to it.
    """

    positions_m: Floats
    mbps: Floats
    medium: Medium
    hub_m: tuple[float, float] | None = None
    hub_mbps: Floats | None = None


def lay_out(topology: Topology, count: int, rng: np.random.Generator, *, side_m: float = PUBLISHED_SIDE_M) -> Layout:
    """So many nodes, uniform in a square; places to a centimetre, rates to 100 bit/s. InvalidInput for a count below 2."""
    if not 2 <= count <= _MOST_NODES:
        raise InvalidInput(f"a cluster that is made up has 2 to {_MOST_NODES} nodes, not {count}")
    if not _SIDES_M[0] <= side_m <= _SIDES_M[1]:
        raise InvalidInput(f"the side of the square must be {_SIDES_M[0]:g} to {_SIDES_M[1]:g} m, not {side_m}")
    positions = np.round(rng.uniform(0.0, side_m, (count, 2)), 2)
    if topology is Topology.STAR:
        return _star(positions, (side_m / 2, side_m / 2))
    distance = np.hypot(*(positions[:, None, :] - positions[None, :, :]).transpose(2, 0, 1))
    mbps = _rounded(rate_mbps(distance))
    np.fill_diagonal(mbps, 0.0)
    if topology is Topology.WIFI:
        return Layout(positions, mbps, Medium.LINKS)
    return Layout(positions, np.where(distance <= _reach_m(distance), mbps, 0.0), Medium.HALF_DUPLEX)


def drawn(choices: Sequence[float], count: int, rng: np.random.Generator) -> Floats:
    """One of the choices for each of `count` nodes, all equally likely."""
    return np.asarray(rng.choice(np.asarray(choices, dtype=np.float64), count))


def rate_mbps(distance_m: Floats) -> Floats:
    """Mbit/s over a distance, by the published formula; what is nearer than a metre counts as a metre."""
    return np.log2(1.0 + _SIGNAL_M2 / np.maximum(distance_m, _LEAST_M) ** 2)


def _star(positions: Floats, hub: tuple[float, float]) -> Layout:
    hub_mbps = _rounded(rate_mbps(np.hypot(*(positions - hub).T)))
    # What goes from node to node takes the air twice, one hop after the other.
    mbps = _rounded(1.0 / (1.0 / hub_mbps[:, None] + 1.0 / hub_mbps[None, :]))
    np.fill_diagonal(mbps, 0.0)
    return Layout(positions, mbps, Medium.SHARED, hub, hub_mbps)


def _reach_m(distance: Floats) -> float:
    """The longest edge of the shortest tree over all nodes (Prim): with any less, somebody is cut off."""
    nearest = distance[0].copy()
    nearest[0] = math.inf
    reach = 0.0
    for _ in range(len(distance) - 1):
        node = int(np.argmin(nearest))
        reach = max(reach, float(nearest[node]))
        nearest = np.where(np.isinf(nearest), math.inf, np.minimum(nearest, distance[node]))
        nearest[node] = math.inf
    return reach


def _rounded(mbps: Floats) -> Floats:
    # No link is rounded away: over 1000 km the published formula still gives 0.0000004.
    return np.asarray(np.maximum(np.round(mbps, 4), 1e-4))
