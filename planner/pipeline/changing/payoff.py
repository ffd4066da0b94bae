"""Whether it pays to leave a running plan for another one, and after how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from planner.pipeline.changing.moving import Move, lasting_s, moving_j
from planner.pipeline.finding.purpose import Purpose
from planner.pipeline.finding.search import Objective
from planner.pipeline.instance import Instance
from planner.pipeline.plan import Plan


@dataclass(frozen=True)
class Payoff:
    """Whether the other plan is ahead after some time, counted from the moment at which the pipeline stops to move weights.

    `after_s` and `after_inferences` are None where it never pays, or nobody can say when: a way's rate is not known, or the
    objective is latency, where nothing adds up that could be set against standing still.
    """

    pays: bool
    after_s: float | None = None
    after_inferences: float | None = None


def payoff(instance: Instance, purpose: Purpose, running: Plan | None, plan: Plan, moving: Sequence[Move]) -> Payoff:
    """What leaving `running` for `plan` brings; a running plan that cannot run, or not as fast as needed, is left at once."""
    if running is None or not purpose.served(instance, running):
        return Payoff(pays=True, after_s=0.0, after_inferences=0.0)
    gain = purpose.value(instance, running) - purpose.value(instance, plan)
    if gain <= 0:
        return Payoff(pays=False)
    still_s = lasting_s(instance, moving)
    if purpose.objective is Objective.ENERGY:
        return _repaid(moving_j(instance, moving), gain, purpose.period_s, still_s)
    if purpose.objective is Objective.LATENCY:
        return Payoff(pays=True)
    return _repaid(still_s, gain, purpose.value(instance, running), 0.0)


def _repaid(price: float | None, gain: float, every_s: float, still_s: float | None) -> Payoff:
    """When a gain per inference, one `every_s`, has repaid a price in the same unit."""
    if price is None or still_s is None:
        return Payoff(pays=True)
    inferences = price / gain
    return Payoff(pays=True, after_s=still_s + inferences * every_s, after_inferences=inferences)
