"""A plan for a cluster that has changed while another plan runs: nearly the best, with the fewest bytes of weights to move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from planner.pipeline.changing.moving import Move, lacking_bytes, lasting_s, moves
from planner.pipeline.changing.payoff import Payoff, payoff
from planner.pipeline.changing.running import Running
from planner.pipeline.finding.accounts import Budget
from planner.pipeline.finding.effort import Effort, Stop, never
from planner.pipeline.finding.labels import Cheapest, cheapest
from planner.pipeline.finding.purpose import Purpose
from planner.pipeline.finding.search import CLOSE, Objective, best
from planner.pipeline.finding.terms import energy, latency, moved_bytes
from planner.pipeline.finding.units import Units
from planner.pipeline.instance import Instance
from planner.pipeline.plan import Found, Plan

TOLERANCE = 0.05
"""By which share a plan may be worse than the best one, if fewer bytes have to be moved for it."""


@dataclass(frozen=True)
class Replanned:
    """The plan with its objective's value, what has to be moved for it, and how sure that is.

    `best` is the best plan whatever it moves; `fewest_proven`: no plan within the tolerance moves fewer bytes.
    `moving_s` None: not known. The pipeline is taken to stand still while weights are moved.
    """

    plan: Plan
    value: float
    best: Found
    moves: tuple[Move, ...]
    moving_s: float | None
    fewest_proven: bool
    payoff: Payoff

    @property
    def moved_bytes(self) -> float:
        """Bytes of weights over all moves."""
        return sum(move.size_bytes for move in self.moves)


def replan(
    instance: Instance,
    running: Running,
    purpose: Purpose,
    *,
    tolerance: float = TOLERANCE,
    stop: Stop = never,
) -> Replanned | Found:
    """Of the plans within `tolerance` of the best, one that moves the fewest bytes, the running one first; or Found without
    a plan where there is none. `instance` is the changed cluster, in whose nodes `running` is told.
    """
    found = best(instance, purpose.objective, period_s=purpose.period_s, stop=stop)
    if found.plan is None:
        return found
    worst = found.value * (1 + tolerance) * (1 + CLOSE)
    fewest = _fewest_bytes(instance, running, purpose, worst, stop)
    plan = min(
        _candidates(instance, running, purpose, worst, (found.plan, fewest.plan)),
        key=lambda each: lacking_bytes(instance, each, running.held),
    )
    return _replanned(instance, running, purpose, plan, found, proven=found.proven and fewest.proven)


def _fewest_bytes(instance: Instance, running: Running, purpose: Purpose, worst: float, stop: Stop) -> Cheapest:
    units = Units.of(instance)
    budgets, most_s = _limits(units, purpose, worst)
    return cheapest(units, moved_bytes(units, running.held), most_s=most_s, effort=Effort(stop), budgets=budgets)


def _limits(units: Units, purpose: Purpose, worst: float) -> tuple[tuple[Budget, ...], float]:
    if purpose.objective is Objective.THROUGHPUT:
        return (), min(worst, purpose.period_s)
    terms = latency(units) if purpose.objective is Objective.LATENCY else energy(units, purpose.period_s)
    return (Budget(terms, worst),), purpose.period_s


def _candidates(
    instance: Instance, running: Running, purpose: Purpose, worst: float, plans: tuple[Plan | None, ...]
) -> Iterator[Plan]:
    """The running plan, if it will do, then the others."""
    kept = running.plan
    if kept and purpose.served(instance, kept) and purpose.value(instance, kept) <= worst:
        yield kept
    yield from (plan for plan in plans if plan)


def _replanned(
    instance: Instance, running: Running, purpose: Purpose, plan: Plan, found: Found, *, proven: bool
) -> Replanned:
    moving = moves(instance, plan, running.held)
    return Replanned(
        plan=plan,
        value=purpose.value(instance, plan),
        best=found,
        moves=moving,
        moving_s=lasting_s(instance, moving),
        fewest_proven=proven,
        payoff=payoff(instance, purpose, running.plan, plan, moving),
    )
