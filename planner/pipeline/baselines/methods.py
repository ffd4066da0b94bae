"""How the SEIFER papers plan (arXiv 2210.12218, 2210.12219), to compare with: written from what they describe.

All treat every node as the smallest one, count nothing but what crosses a cut, and cut first: where the sum of all that crosses
is the least. `kpath` then places by colour coding, the largest transfers first; `greedy` goes from each node to the one over the
fastest link; `at_random` draws cuts and nodes. On instances that know more than that, they look past it, as they would; what
their plans are worth there, `planner.pipeline.loads.evaluate` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

import numpy as np

from planner.pipeline.baselines.colour_coding import widest_path
from planner.pipeline.instance import Flags, Floats, Instance
from planner.pipeline.loads import check
from planner.pipeline.plan import Plan, Stage
from protocol.errors import InvalidInput

CLASSES = 20
"""Into how many classes, equally wide up to the largest of the network's, `kpath` sorts transfers by their size."""

_DRAWS = 1000


def kpath(instance: Instance, rng: np.random.Generator) -> Plan | None:
    """Cuts of the least sum, then, from the class of the largest transfers down, the widest paths that colour coding finds.

    None: it finds none, which proves nothing.
    """
    cuts = least_sum(instance)
    if cuts is None:
        return None
    nodes = _Placement(instance, cuts, rng).nodes()
    return _runnable(instance, cuts, nodes) if nodes else None


def greedy(instance: Instance) -> Plan | None:
    """Cuts of the least sum; of the ways that begin at each node and follow the fastest link to a free one, the best."""
    cuts = least_sum(instance)
    if cuts is None:
        return None
    ways = (_nearest(instance, start, len(cuts) + 1) for start in range(len(instance.nodes)))
    plans = [plan for way in ways if way and (plan := _runnable(instance, cuts, way))]
    return min(plans, key=lambda plan: _slowest_s(instance, plan), default=None)


def at_random(instance: Instance, rng: np.random.Generator) -> Plan | None:
    """Each cut drawn from those that the smallest node can reach from the one before, then as many nodes, all drawn alike.

    None where the smallest node allows no cuts, or none of 1000 draws can run.
    """
    if least_sum(instance) is None:
        return None
    fits = _fits(instance)
    for _ in range(_DRAWS):
        cuts = _drawn_cuts(instance, fits, rng)
        if cuts is None:
            continue
        nodes = rng.permutation(len(instance.nodes))[: len(cuts) + 1]
        if plan := _runnable(instance, cuts, nodes.tolist()):
            return plan
    return None


def least_sum(instance: Instance) -> tuple[int, ...] | None:
    """The cuts into at most as many stages as there are nodes, each below the smallest memory, of the least sum of what crosses;
    the fewest of these. None: there are none."""
    fits, sizes = _fits(instance), instance.transfer_bytes[0]
    sums = np.full(instance.pieces.count + 1, np.inf)
    sums[0] = 0.0
    before: list[Floats] = []
    best: tuple[float, int] = (np.inf, 0)
    for stages in range(1, len(instance.nodes) + 1):
        crossing = sums + np.where(np.arange(len(sums)) > 0, sizes, 0.0)
        through = np.where(fits, crossing[:, None], np.inf)
        before.append(through.argmin(axis=0))
        sums = through.min(axis=0)
        best = min(best, (float(sums[-1]), stages))
    if np.isinf(best[0]):
        return None
    cuts, point = [], instance.pieces.count
    for origin in reversed(before[: best[1]]):
        point = int(origin[point])
        cuts.append(point)
    return tuple(reversed(cuts[:-1]))


class _Placement:
    """Which node runs each stage, found class by class."""

    def __init__(self, instance: Instance, cuts: tuple[int, ...], rng: np.random.Generator) -> None:
        self._instance, self._rng = instance, rng
        self._sizes = instance.transfer_bytes[0, list(cuts)]
        self._placed: list[int | None] = [None] * (len(cuts) + 1)

    def nodes(self) -> list[int] | None:
        if len(self._placed) == 1:
            return self._only()
        for first, last in self._runs():
            path = self._path(first, last)
            if path is None:
                return None
            self._placed[first : last + 1] = path
        return [node for node in self._placed if node is not None]

    def _only(self) -> list[int] | None:
        able = (self._instance.rate_in > 0) & (self._instance.rate_out > 0)
        return [int(np.argmax(able))] if able.any() else None

    def _runs(self) -> list[tuple[int, int]]:
        """Stages from and to, over which all transfers are of one class; the largest class first, and of each the longest."""
        largest = float(self._instance.transfer_bytes[0].max()) or 1.0
        classes = np.floor(self._sizes * CLASSES / largest).tolist()
        runs, first = [], 0
        for size, members in groupby(classes):
            last = first + len(list(members))
            runs.append((-size, first - last, first, last))
            first = last
        return [(first, last) for _, _, first, last in sorted(runs)]

    def _path(self, first: int, last: int) -> Sequence[int] | None:
        instance = self._instance
        taken = [node for node in self._placed if node is not None]
        ends = [node for node in (self._placed[first], self._placed[last]) if node is not None]
        free = np.ones(len(instance.nodes), dtype=bool)
        free[[node for node in taken if node not in ends]] = False
        rate = np.where(free[:, None] & free[None, :], instance.rate, 0.0)
        starts = self._ends(first, free & (instance.rate_in > 0) if first == 0 else free)
        finishes = self._ends(last, free & (instance.rate_out > 0) if last == len(self._placed) - 1 else free)
        return widest_path(rate, last - first + 1, starts, finishes, self._rng)

    def _ends(self, stage: int, able: Flags) -> list[int]:
        placed = self._placed[stage]
        return [placed] if placed is not None else np.flatnonzero(able).tolist()


def _nearest(instance: Instance, start: int, count: int) -> list[int] | None:
    way = [start]
    while len(way) < count:
        rates = instance.rate[way[-1]].copy()
        rates[way] = 0.0
        if not rates.any():
            return None
        way.append(int(np.argmax(rates)))
    return way


def _drawn_cuts(instance: Instance, fits: Flags, rng: np.random.Generator) -> tuple[int, ...] | None:
    cuts: list[int] = []
    point = 0
    while len(cuts) < len(instance.nodes):
        within = np.flatnonzero(fits[point])
        if not len(within):
            return None
        point = int(rng.choice(within))
        if point == instance.pieces.count:
            return tuple(cuts)
        cuts.append(point)
    return None


def _fits(instance: Instance) -> Flags:
    """[P+1, P+1]: whether the smallest node holds a stage from point to point."""
    return np.asarray(instance.pieces.memory_bytes < instance.capacity_bytes.min())


def _runnable(instance: Instance, cuts: tuple[int, ...], nodes: Sequence[int]) -> Plan | None:
    ends = (0, *cuts, instance.pieces.count)
    stages = tuple(Stage(first, last, (node,)) for (first, last), node in zip(pairwise(ends), nodes, strict=True))
    plan = Plan(stages, (0,) * len(cuts))
    try:
        check(instance, plan)
    except InvalidInput:
        return None
    return plan


def _slowest_s(instance: Instance, plan: Plan) -> float:
    sizes = instance.transfer_bytes[0, list(plan.cuts)]
    rates = [instance.rate[one, other] for one, other in pairwise(plan.nodes)]
    return max((size / rate for size, rate in zip(sizes.tolist(), rates, strict=True)), default=0.0)
