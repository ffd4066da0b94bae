"""Bringing weights to where a plan needs them: who sends what to whom, and how long that takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from planner.pipeline.instance import Flags, Instance
from planner.pipeline.loads import DISPATCHER, Resource, occupied, sending_w
from planner.pipeline.plan import Plan


@dataclass(frozen=True)
class Move:
    """The weights of the pieces [first, last), from the node that has them and is fastest, or from the dispatcher.

    `seconds` is None where nobody says how fast that way is: the dispatcher's links cost nothing in this instance, or
    whoever has the weights has no link to the receiver.
    """

    receiver: int
    first: int
    last: int
    size_bytes: float
    sender: int
    seconds: float | None


def lacking(plan: Plan, held: Flags) -> Iterator[tuple[int, int]]:
    """The nodes and pieces of a plan whose weights [N, P] are not held there."""
    for stage in plan.stages:
        for node in stage.nodes:
            for piece in range(stage.first, stage.last):
                if not held[node, piece]:
                    yield node, piece


def lacking_bytes(instance: Instance, plan: Plan, held: Flags) -> float:
    """Bytes of weights that have to be moved before a plan can run."""
    return float(sum(instance.pieces.weight_bytes[piece] for _, piece in lacking(plan, held)))


def moves(instance: Instance, plan: Plan, held: Flags) -> tuple[Move, ...]:
    """What has to be moved, in runs of pieces that lie side by side and come from the same sender."""
    weights = instance.pieces.weight_bytes
    found: list[Move] = []
    needed = [
        (node, _sender(instance, held, node, piece), piece) for node, piece in lacking(plan, held) if weights[piece] > 0
    ]
    for (node, sender, _), run in groupby(enumerate(needed), lambda item: (*item[1][:2], item[1][2] - item[0])):
        pieces = [piece for _, (_, _, piece) in run]
        first, last = pieces[0], pieces[-1] + 1
        size_bytes = float(weights[first:last].sum())
        rate = _rate(instance, sender, node)
        found.append(Move(node, first, last, size_bytes, sender, size_bytes / rate if rate else None))
    return tuple(found)


def lasting_s(instance: Instance, moving: Sequence[Move]) -> float | None:
    """Seconds until all is moved, the longest first and as many at once as the medium allows; None: not known."""
    free_s: defaultdict[Resource, float] = defaultdict(float)
    end_s = 0.0
    for move in sorted(moving, key=lambda each: -(each.seconds or 0.0)):
        if move.seconds is None:
            return None
        resources = occupied(instance.medium, move.sender, move.receiver)
        ready_s = max(free_s[resource] for resource in resources) + move.seconds
        free_s |= dict.fromkeys(resources, ready_s)
        end_s = max(end_s, ready_s)
    return end_s


def moving_j(instance: Instance, moving: Sequence[Move]) -> float | None:
    """Joules that sending and receiving take above doing nothing; None: not known."""
    joules = 0.0
    for move in moving:
        if move.seconds is None:
            return None
        joules += sending_w(instance, move.sender, move.receiver) * move.seconds
    return joules


def _sender(instance: Instance, held: Flags, node: int, piece: int) -> int:
    """The fastest node that has the piece, if it is faster than the dispatcher, which has all of them."""
    rates = np.where(held[:, piece], instance.rate[:, node], 0.0)
    rates[node] = 0.0
    fastest = int(np.argmax(rates))
    return fastest if rates[fastest] > _rate(instance, DISPATCHER, node) else DISPATCHER


def _rate(instance: Instance, sender: int, node: int) -> float:
    """Bytes per second; 0 where nobody says."""
    rate = float(instance.rate_in[node] if sender == DISPATCHER else instance.rate[sender, node])
    return rate if np.isfinite(rate) else 0.0
