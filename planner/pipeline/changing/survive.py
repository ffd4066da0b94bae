"""Weights laid out so that a pipeline outlives the loss of nodes: after any f of them, no weights have to be moved.

A layout is good if a plan runs on what is held whichever f of the nodes that hold something are lost. A first one is found
by mending loss after loss. Then layouts are searched by branch and bound: of all losses that a layout does not survive yet,
the one that needs the most bytes is mended by the cheapest plan without the lost nodes; then by others, for which one piece
after the other of that plan is barred from its node. A layout's bytes are bounded from below by those of f + 1 copies of
every piece, and by what the dearest loss needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

from planner.pipeline.changing.copies import Copies
from planner.pipeline.changing.moving import lacking
from planner.pipeline.finding.effort import Effort, OutOfEffort, Stop, never
from planner.pipeline.finding.labels import Cheapest, cheapest
from planner.pipeline.finding.search import CLOSE, best, fastest
from planner.pipeline.finding.terms import Terms
from planner.pipeline.finding.threshold import Threshold
from planner.pipeline.finding.units import Units
from planner.pipeline.instance import Flags, Instance, Medium
from planner.pipeline.loads import evaluate
from planner.pipeline.plan import Found, Plan
from protocol.errors import InvalidInput

_EXACT = 1 + CLOSE
_MOST_LAYOUTS = 500.0


@dataclass(frozen=True)
class Demand:
    """Any `losses` nodes may be lost, and the time between inferences may grow by `loss` of itself then.

    It must not grow beyond `period_s` either.
    """

    losses: int
    loss: float = 0.2
    period_s: float = math.inf

    def check(self, instance: Instance) -> None:
        """InvalidInput for what cannot be asked."""
        nodes = len(instance.nodes)
        if not 1 <= self.losses < nodes:
            raise InvalidInput(f"of {nodes} nodes 1 to {nodes - 1} can be lost, not {self.losses}")
        if not (math.isfinite(self.loss) and self.loss >= 0):
            raise InvalidInput(f"the loss of throughput must be a share of 0 or more, not {self.loss}")


@dataclass(frozen=True)
class Loss:
    """Nodes that are lost, and the best that runs without them; no plan: nothing does."""

    nodes: tuple[int, ...]
    plan: Plan | None
    bottleneck_s: float


@dataclass(frozen=True, eq=False)
class Survival:
    """A plan of the greatest throughput, as `found`, and what each node holds for it: `held` [N, P], its own stage included.

    After no loss an inference takes longer than `most_s`; `worst` is the one after which the pipeline is slowest, of all
    `checked` sets of lost nodes. `spare_bytes` is what is held beyond one copy of each piece, `least_spare_bytes` what no
    layout can do with less than; `proven`: both meet.
    """

    found: Found
    most_s: float
    held: Flags
    worst: Loss
    checked: int
    spare_bytes: float
    least_spare_bytes: float

    @property
    def proven(self) -> bool:
        """Whether no layout has fewer spare bytes."""
        return self.spare_bytes <= self.least_spare_bytes * _EXACT


@dataclass(frozen=True)
class Unsurvived:
    """No layout was found. `loss` is one that no layout survives: with a plan that takes longer than `most_s`, with none at
    all, or with one that is fast enough, but for whose weights there is no room. None: it is not proven that there is any."""

    loss: Loss | None
    most_s: float

    @property
    def proven(self) -> bool:
        """Whether no layout can do it."""
        return self.loss is not None

    @property
    def is_too_slow(self) -> bool:
        """Whether what is left after the loss is not fast enough, wherever weights lie."""
        return self.loss is not None and self.loss.bottleneck_s > self.most_s * _EXACT


def survive(instance: Instance, demand: Demand, *, stop: Stop = never) -> Survival | Unsurvived | Found:
    """The layout of the fewest spare bytes, as far as the search gets, for a plan of the greatest throughput; or Found without
    a plan where nothing runs even without a loss. Raises InvalidInput for a demand that cannot be asked.
    """
    demand.check(instance)
    found = best(instance, period_s=demand.period_s, stop=stop)
    if found.plan is None:
        return found
    return _Layouts(instance, demand, found, found.plan, stop).run()


@dataclass(frozen=True, eq=False)
class _Need:
    """A loss that is not survived yet: the cheapest plan for it, and the bytes that it adds (None: none has room)."""

    lost: tuple[int, ...]
    plan: Plan | None
    added_bytes: float


class _Layouts:
    def __init__(self, instance: Instance, demand: Demand, found: Found, plan: Plan, stop: Stop) -> None:
        self._instance, self._demand, self._stop = instance, demand, stop
        self._found, self._first, self._bottleneck_s = found, plan, found.value
        self._most_s = min(found.value * (1 + demand.loss), demand.period_s)
        self._units = Units.of(instance)
        self._effort = Effort(stop, _MOST_LAYOUTS)
        self._known: list[Plan] = [plan]
        self._good: Copies | None = None
        self._crowded: tuple[int, ...] | None = None

    def run(self) -> Survival | Unsurvived:
        empty = Copies.none(self._units)
        hopeless, least_bytes = None, empty.least_bytes(self._demand.losses)
        try:
            hopeless = self._hopeless(empty)
            if hopeless is None:
                self._dive(empty)
                self._explore(empty)
                least_bytes = self._good.size_bytes if self._good else math.inf
        except OutOfEffort:
            pass
        if self._good is not None:
            return self._survival(self._good, least_bytes)
        if hopeless is not None:
            return Unsurvived(hopeless, self._most_s)
        crowded = self._without(empty, self._crowded or ()) if math.isinf(least_bytes) else None
        return Unsurvived(crowded, self._most_s)

    def _hopeless(self, empty: Copies) -> Loss | None:
        """A loss after which nothing that is fast enough runs, wherever weights lie: every layout fails at it."""
        for lost in combinations(range(len(self._instance.nodes)), self._demand.losses):
            if any(not set(lost) & set(plan.nodes) for plan in self._known):
                continue
            plan = self._quick_enough(empty, lost)
            if plan is None:
                return self._without(empty, lost)
            self._known.append(plan)
        return None

    def _quick_enough(self, empty: Copies, lost: tuple[int, ...]) -> Plan | None:
        """A plan without some nodes that is fast enough, wherever weights lie."""
        if self._instance.medium is not Medium.LINKS:
            return self._cheapest(empty.adding(lost), self._most_s, any_will_do=True).plan
        nodes = tuple(
            replace(node, memory_bytes=0.0) if number in lost else node
            for number, node in enumerate(self._instance.nodes)
        )
        left = Units.of(replace(self._instance, nodes=nodes))
        return Threshold(left, self._most_s * _EXACT).plan(len(nodes), Effort(self._stop))

    def _without(self, empty: Copies, lost: tuple[int, ...]) -> Loss:
        found = fastest(self._units, empty.adding(lost), self._stop)
        return Loss(lost, found.plan, found.value)

    def _dive(self, copies: Copies) -> None:
        """One layout, if it goes well: each loss is mended by a plan that adds little, and that is found quickly."""
        need = self._greatest_need(copies, quickly=True)
        while need is not None and need.plan is not None:
            copies = copies.having(lacking(need.plan, copies.held))
            need = self._greatest_need(copies, quickly=True)
        if need is None:
            self._good = copies

    def _explore(self, copies: Copies) -> None:
        self._effort.spend()
        if self._too_much(copies.least_bytes(self._demand.losses)):
            return
        need = self._greatest_need(copies)
        if need is None:
            self._good = copies
            return
        if need.plan is None:
            self._crowded = self._crowded or need.lost
            return
        if self._too_much(copies.size_bytes + need.added_bytes):
            return
        places = list(lacking(need.plan, copies.held))
        self._explore(copies.having(places))
        for index, place in enumerate(places):
            self._explore(copies.having(places[:index]).without(*place))

    def _too_much(self, size_bytes: float) -> bool:
        return self._good is not None and size_bytes * _EXACT >= self._good.size_bytes

    def _greatest_need(self, copies: Copies, *, quickly: bool = False) -> _Need | None:
        """Of the losses that are not survived, the one that adds the most bytes; None: all are."""
        needs: list[_Need] = []
        for lost in ((), *self._losses(copies)):
            need = self._need(copies, lost, quickly=quickly)
            if need is not None and (need.plan is None or not lost):
                return need
            if need is not None:
                needs.append(need)
        return max(needs, key=lambda need: need.added_bytes, default=None)

    def _need(self, copies: Copies, lost: tuple[int, ...], *, quickly: bool) -> _Need | None:
        if not copies.participants and not copies.barred.any():
            return _Need(lost, self._first, 0.0)
        most_s = self._most_s if lost else self._bottleneck_s
        if self._stands(copies, lost, most_s):
            return None
        cheap = self._cheapest(copies.adding(lost), most_s, any_will_do=quickly)
        if cheap.plan is None:
            return _Need(lost, None, math.inf)
        self._known.append(cheap.plan)
        if next(lacking(cheap.plan, copies.held), None) is None:
            return None
        return _Need(lost, cheap.plan, cheap.cost)

    def _stands(self, copies: Copies, lost: tuple[int, ...], most_s: float) -> bool:
        """Whether a plan that is known already runs on what is held."""
        return any(each.value <= most_s * _EXACT for each in self._standing(copies, lost))

    def _standing(self, copies: Copies, lost: tuple[int, ...]) -> Iterator[Found]:
        """The plans that are known already, and run on what is held."""
        for plan in self._known:
            if not set(lost) & set(plan.nodes) and next(lacking(plan, copies.held), None) is None:
                yield Found(plan, evaluate(self._instance, plan).bottleneck_s, 0.0, proven=False)

    def _fastest(self, copies: Copies, lost: tuple[int, ...] = ()) -> Found:
        """The fastest that runs on what is held: never slower than what made a layout good, which is known."""
        known = min(self._standing(copies, lost), key=lambda each: each.value)
        return fastest(self._units, copies.standing(lost), never, known=known)

    def _losses(self, copies: Copies) -> Iterator[tuple[int, ...]]:
        nodes = copies.participants
        return combinations(nodes, min(self._demand.losses, len(nodes)))

    def _cheapest(self, terms: Terms, most_s: float, *, any_will_do: bool = False) -> Cheapest:
        cheap = cheapest(self._units, terms, most_s=most_s * _EXACT, effort=Effort(self._stop), any_will_do=any_will_do)
        if not cheap.proven and not (any_will_do and cheap.plan):
            raise OutOfEffort
        return cheap

    def _survival(self, copies: Copies, least_bytes: float) -> Survival:
        weights = float(self._instance.pieces.weight_bytes.sum())
        worst = self._worst(copies)
        if worst.bottleneck_s > self._most_s * _EXACT:
            raise AssertionError(f"the loss of {worst.nodes} is not survived")
        return Survival(
            found=replace(self._found, plan=self._fastest(copies).plan),
            most_s=self._most_s,
            held=copies.held,
            worst=worst,
            checked=sum(1 for _ in self._losses(copies)),
            spare_bytes=copies.size_bytes - weights,
            least_spare_bytes=least_bytes - weights,
        )

    def _worst(self, copies: Copies) -> Loss:
        """Every set of lost nodes is tried; only those that are worse than the worst so far are worked out."""
        worst = Loss((), None, -1.0)
        for lost in self._losses(copies):
            if self._stands(copies, lost, worst.bottleneck_s):
                continue
            found = self._fastest(copies, lost)
            if found.value > worst.bottleneck_s:
                worst = Loss(lost, found.plan, found.value)
        return worst
