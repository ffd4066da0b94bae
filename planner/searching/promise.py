"""Which configurations promise most: the expected gain of the measured front in log latency and log energy.

The expected hypervolume improvement (Emmerich, Giannakoglou and Naujoks, 2006), with the uncertainty of the composed
costs: that of the head moves its time and energy together, that of the tail its own. The logarithm, since a tenth of the
latency is worth as much at the fast end as at the slow one, and so with energy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from planner.averages import median_link
from planner.costs.composition import fit
from planner.hypervolume import improvements
from planner.pricing import Floats, Parts
from planner.searching.campaign import Aim, Campaign
from planner.suspects.sifting import Sifted
from protocol.configuration import Account, Configuration
from protocol.link import Link
from protocol.measurement import Measurement
from protocol.table import Row

_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
_DRAWS = np.array([(head, tail) for head in _NODES for tail in _NODES])
_WEIGHTS = np.outer(_NODE_WEIGHTS, _NODE_WEIGHTS).ravel() / _NODE_WEIGHTS.sum() ** 2
"""Deviations of head and tail, and how likely each pair is: a Gauss-Hermite rule."""
_AS_EXPECTED = np.zeros((1, 2))

_SCATTER = 0.03
"""By how much runs of one configuration differ (relative standard deviation): what is near the front may turn out on it."""
_WILD = 0.25
"""More uncertainty than this is no promise: the model knows nothing there, not even that it may be good."""
_BEYOND = 0.1
"""How far beyond the front, as logarithms, gains count: without an end, the dearest and the slowest would be all."""
_LEAST = 1e-6
"""In ms and mJ: what costs nothing has no logarithm."""


def promising(campaign: Campaign, aim: Aim, *, count: int) -> list[Configuration]:
    """The most promising configurations that were not measured, the best first; fewer where no more promise anything.

    Each next one is chosen as if those before it had turned out as expected. InvalidInput for an account whose energy
    was not measured.
    """
    known = campaign.known
    measurements = _sound([item for found in known.values() for item in found])
    if not measurements:
        return []
    model = fit(measurements, boundaries=campaign.space.boundaries)
    rows = [
        model.composed(item)
        for item in campaign.space.configurations()
        if item not in known and model.gap(item) is None
    ]
    if not rows:
        return []
    costs = _Costs(Parts.of(rows), _deviations(rows), aim.link or median_link(measurements), aim.account)
    measured = list(model.measured.values())
    front = _Costs(Parts.of(measured), np.zeros((4, len(measured), 1)), costs.link, aim.account).points(_AS_EXPECTED)[
        :, 0
    ]
    return [rows[place].configuration for place in _chosen(costs, front, count)]


def _sound(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Without the suspects: what shares a part with one of them may then promise something again."""
    return list(Sifted.of(measurements).sound) if measurements else []


def _corner(front: Floats) -> Floats:
    """Beyond the dearest and the slowest of the points that no other one dominates."""
    ascending = front[np.lexsort(front.T[::-1])]
    lowest = np.minimum.accumulate(ascending[:, 1])
    kept = ascending[np.concatenate(([True], ascending[1:, 1] < lowest[:-1]))]
    corner: Floats = kept.max(axis=0) + _BEYOND
    return corner


@dataclass(frozen=True, eq=False)
class _Costs:
    """What configurations cost; `deviations` [4, n, 1] of head_ms, head_mj, cloud_ms and the cloud's energy, relative."""

    parts: Parts
    deviations: Floats
    link: Link
    account: Account

    def points(self, draws: Floats) -> Floats:
        """Log latency and log energy [n, m, 2] for m deviations [m, 2] of head and tail."""
        parts, (head, tail) = self.parts, draws.T
        head_ms, head_mj, cloud_ms, cloud_mj = self.deviations
        transfer_ms = parts.waiting_ms(self.link) - parts.cloud_ms * parts.uses_cloud
        waiting_ms = transfer_ms[:, None] + parts.cloud_ms[:, None] * np.exp(cloud_ms * tail)
        node_mj = np.broadcast_to(parts.cloud_mj(self.account), parts.head_ms.shape)
        energy_mj = (
            parts.head_mj[:, None] * np.exp(head_mj * head)
            + parts.wait_w[:, None] * waiting_ms
            + node_mj[:, None] * np.exp(cloud_mj * tail)
        )
        latency_ms = parts.head_ms[:, None] * np.exp(head_ms * head) + waiting_ms
        points: Floats = np.log(np.maximum(np.stack((latency_ms, energy_mj), axis=-1), _LEAST))
        return points


def _chosen(costs: _Costs, front: Floats, count: int) -> list[int]:
    """The places of the best, one after the other."""
    candidates, expected = costs.points(_DRAWS), costs.points(_AS_EXPECTED)[:, 0]
    corner = _corner(front)
    chosen: list[int] = []
    while len(chosen) < count:
        gains = improvements(candidates, front=front, reference=corner) @ _WEIGHTS
        gains[chosen] = 0.0
        best = int(gains.argmax())
        if gains[best] <= 0.0:
            break
        chosen.append(best)
        front = np.vstack((front, expected[best]))
    return chosen


def _deviations(rows: Sequence[Row]) -> Floats:
    """Of each row, in the order that `_Costs` wants."""
    names = ("head_ms", "head_mj", "cloud_ms", "cloud_node_mj")
    stated = np.array([[row.uncertainty.get(name, 0.0) for row in rows] for name in names])
    deviations: Floats = np.hypot(np.minimum(stated, _WILD), _SCATTER)[:, :, None]
    return deviations
