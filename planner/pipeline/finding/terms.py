"""What a search adds up along a pipeline: nodes, seconds, joules, air time, or bytes to move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from planner.pipeline.finding.units import Units, inverse, sending
from planner.pipeline.instance import Flags, Floats, Instance


@dataclass(frozen=True, eq=False)
class Terms:
    """Costs that add up; infinity where something cannot be.

    `stage` [K, Q, Q] of a stage from port to port, `kinds` [U] which of them holds for a unit, `link` [U, U] per byte
    sent, `entry` and `leave` [U] of the ways in and out.
    """

    stage: Floats
    kinds: Sequence[int]
    link: Floats
    entry: Floats
    leave: Floats

    def __post_init__(self) -> None:
        # A cost that is no number would make every pipeline look impossible, and that look proven.
        if any(np.isnan(each).any() for each in (self.stage, self.link, self.entry, self.leave)):
            raise AssertionError("a cost is no number")


def nodes_used(units: Units) -> Terms:
    """One per node."""
    sizes = np.zeros(len(units.busiest_s))
    sizes[list(units.kinds)] = units.sizes
    stage = np.where(np.isinf(units.busiest_s), np.inf, sizes[:, None, None])
    return Terms(stage, units.kinds, *_free_ways(units))


def latency(units: Units) -> Terms:
    """Seconds of one inference that finds the pipeline empty, the mean over the nodes of each stage."""
    return Terms(units.mean_s, units.kinds, units.mean, units.entry_s, units.leave_s)


def air(units: Units) -> Terms:
    """Seconds of transmitting per inference."""
    stage = np.where(np.isinf(units.mean_s), np.inf, 0.0)
    return Terms(stage, units.kinds, units.mean, units.entry_s, units.leave_s)


def energy(units: Units, period_s: float) -> Terms:
    """Joules per inference of the nodes that take part, with one inference every `period_s`."""
    size, instance = units.port_bytes, units.instance
    receive = np.array([node.receive_w for node in instance.nodes])
    send = np.array([node.send_w for node in instance.nodes])
    entry = units.of_members(sending(receive, inverse(instance.rate_in)))
    leave = units.of_members(sending(send, inverse(instance.rate_out)))
    return Terms(
        units.stage_joules(period_s),
        units.kinds,
        units.joules,
        sending(size[0], entry),
        sending(size[units.ports.end], leave),
    )


def moved_bytes(units: Units, held: Flags, *, allowed: Flags | None = None) -> Terms:
    """Bytes of weights that units lack: `held` [N, P] says which pieces' weights a node has.

    `allowed` [N, P+1, P+1]: the stages, from point to point, that a node may run at all.
    """
    per_node = missing_bytes(units.instance, held)
    if allowed is not None:
        per_node = np.where(allowed, per_node, np.inf)
    point = units.ports.every_point
    per_node = per_node[:, point[:, None], point[None, :]]
    stage = np.stack([per_node[list(group)].sum(axis=0) for group in units.members])
    stage = np.where(np.isinf(units.busiest_s[list(units.kinds)]), np.inf, stage)
    return Terms(stage, range(len(units.members)), *_free_ways(units))


def missing_bytes(instance: Instance, held: Flags) -> Floats:
    """[N, P+1, P+1]: the weights of the pieces from point to point that a node does not hold."""
    return between_points(np.where(held, 0.0, instance.pieces.weight_bytes))


def between_points(per_piece: Floats) -> Floats:
    """[N, P+1, P+1]: what figures of each piece [N, P] add up to from point to point, 0 where that is no stage."""
    steps = np.concatenate((np.zeros((len(per_piece), 1)), np.cumsum(per_piece, axis=1)), axis=1)
    return np.asarray(np.maximum(steps[:, None, :] - steps[:, :, None], 0.0))


def _free_ways(units: Units) -> tuple[Floats, Floats, Floats]:
    """Links and the ways in and out, where there are any, at no cost."""
    return _free(units.mean), _free(units.entry_s), _free(units.leave_s)


def _free(costs: Floats) -> Floats:
    return np.where(np.isinf(costs), np.inf, 0.0)
