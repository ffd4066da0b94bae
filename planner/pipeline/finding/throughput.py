"""The plan of the greatest throughput where links do not hinder each other: exactly, or with a bound when cut off.

A bottleneck is the load of some resource, so it is one of finitely many values: what crosses some point over some link, or
a stage on a node. A search by halves over their sorted list asks for each whether a pipeline exists that stays below it
(`planner.pipeline.finding.threshold`). Rounds with growing effort let easy thresholds close in first; a threshold that was too hard
in one round counts as closed for this round only, and never as proven.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.pipeline.finding.effort import Effort, OutOfEffort, Stop, never
from planner.pipeline.finding.threshold import Threshold
from planner.pipeline.finding.units import Units
from planner.pipeline.instance import Floats
from planner.pipeline.loads import evaluate
from planner.pipeline.plan import Found, Plan

_FIRST_EFFORT = 2_000.0
_GROWTH = 8.0


def greatest_throughput(units: Units, *, stop: Stop = never) -> Found:
    """The plan with the least bottleneck, of the fewest nodes; `stop` is asked between steps and ends the search early."""
    return _Bisection(units, candidates(units), stop).run()


def candidates(units: Units) -> Floats:
    """All values that a bottleneck can have, ascending."""
    ports = units.ports
    sizes = np.unique(units.port_bytes[ports.inner])
    factors = np.unique(units.link[np.isfinite(units.link)])
    loads = [np.outer(sizes, factors).ravel()]
    loads.append(units.busiest_entry_s)
    loads.append(units.busiest_leave_s)
    loads.append(np.unique(units.busiest_s))
    values = np.unique(np.concatenate(loads))
    return values[np.isfinite(values)]


@dataclass(eq=False)
class _Bisection:
    units: Units
    values: Floats
    stop: Stop

    def run(self) -> Found:
        self._plan: Plan | None = None
        self._value = float("inf")
        self._proven_below = 0
        self._upper = len(self.values)
        effort = _FIRST_EFFORT
        while self._proven_below < self._upper and not self.stop():
            self._round(effort)
            effort *= _GROWTH
        return self._found()

    def _round(self, effort: float) -> None:
        low = self._proven_below
        while low < self._upper and not self.stop():
            middle = (low + self._upper) // 2
            try:
                plan = self._try(middle, effort)
            except OutOfEffort:
                low = middle + 1
                continue
            if plan is None:
                low = self._proven_below = max(self._proven_below, middle + 1)
            else:
                self._keep(plan, middle)

    def _try(self, index: int, effort: float) -> Plan | None:
        threshold = Threshold(self.units, float(self.values[index]))
        return threshold.plan(len(self.units.instance.nodes), Effort(self.stop, effort))

    def _keep(self, plan: Plan, index: int) -> None:
        self._plan = plan
        self._value = evaluate(self.units.instance, plan).bottleneck_s
        reached = int(np.searchsorted(self.values, self._value * (1 - 1e-12)))
        self._upper = min(index, reached)

    def _found(self) -> Found:
        proven = self._proven_below >= self._upper
        if self._plan is None:
            return Found(None, float("inf"), float("inf") if proven else float(self.values[self._proven_below]), proven)
        bound = self._value if proven else float(self.values[self._proven_below])
        return Found(self._plan, self._value, bound, proven)
