"""Where things of a cluster's map are drawn, so that they do not hide each other."""

from __future__ import annotations

import math

import numpy as np

from planner.pipeline.instance import Floats
from planner.pipeline.plan import Plan
from tools.clusters.problem import Problem

_LEAST_APART, _NUDGES = 0.09, 60
"""Of the map's width: nodes that stand closer are drawn so far apart."""
_LEAST_WIDTH_M = 0.01
"""A map is no narrower, so that nodes at one and the same place can be drawn apart."""
_NAME = 0.035
"""Of the map's width: how far below its node a name stands."""
_AROUND = 16
"""Directions that are looked at."""
_ALONG = (0.5, 0.4, 0.6, 0.3, 0.7)
"""Places on a curve that are looked at."""


def places_of(problem: Problem, plan: Plan) -> tuple[Floats, bool]:
    """[N, 2]: where each node is drawn, and whether it stands there."""
    nodes = problem.instance.nodes
    known = [node.position_m for node in nodes if node.position_m is not None]
    if len(known) == len(nodes):
        return _apart(np.array(known)), True
    order = [*plan.nodes, *(node for node in range(len(nodes)) if node not in plan.nodes)]
    places = np.zeros((len(nodes), 2))
    angles = math.pi * (0.5 - 2 * np.arange(len(nodes)) / len(nodes))
    places[order] = np.stack([np.cos(angles), np.sin(angles)], axis=1) * len(nodes)
    return places, False


def _apart(places: Floats) -> Floats:
    """Moves nodes that would hide each other a little apart."""
    least = _LEAST_APART * _width(places)
    places = places + least * 1e-3 * np.stack([np.cos(np.arange(len(places))), np.sin(np.arange(len(places)))], axis=1)
    for _ in range(_NUDGES):
        between = places[:, None] - places[None, :]
        distance = np.hypot(between[..., 0], between[..., 1]) + np.eye(len(places))
        missing = np.where(np.eye(len(places), dtype=bool), 0.0, np.maximum(least - distance, 0.0))
        places = places + (between / distance[..., None] * missing[..., None]).sum(axis=1) / 2
    return np.asarray(places)


def free_direction(place: Floats, places: Floats) -> Floats:
    """[2]: the direction of length 1 in which most room is around a node."""
    angles = 2 * math.pi * np.arange(_AROUND) / _AROUND
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    others = places[np.hypot(*(places - place).T) > 0]
    ends = place + 2 * _LEAST_APART * _width(places) * around
    return np.asarray(around[_roomiest(ends, others, enough=_width(places))])


def free_spot(ends: tuple[Floats, Floats], places: Floats, *, curve: float) -> Floats:
    """[2]: where on an arrow that bends by `curve` most room is, near its middle."""
    start, end = ends
    along = end - start
    control = (start + end) / 2 + curve * np.array([along[1], -along[0]])
    share = np.array(_ALONG)[:, None]
    spots = (1 - share) ** 2 * start + 2 * share * (1 - share) * control + share**2 * end
    names = places - np.array([0.0, _NAME * _width(places)])
    taken = np.concatenate([places, names])
    return np.asarray(spots[_roomiest(spots, taken, enough=_LEAST_APART * _width(places))])


def _width(places: Floats) -> float:
    return max(float(np.ptp(places, axis=0).max()), _LEAST_WIDTH_M)


def _roomiest(spots: Floats, places: Floats, *, enough: float) -> int:
    """The first of the spots that are `enough` away from all places, else the one that is farthest from them."""
    if not len(places):
        return 0
    between = spots[:, None] - places[None, :]
    room = np.hypot(between[..., 0], between[..., 1]).min(axis=1)
    return int(np.argmax(np.minimum(room, enough)))
