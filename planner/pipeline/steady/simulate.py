"""A pipeline at work, task by task: what its plan promises, tried out, with jitter and failures of nodes if wanted.

Each resource serves its tasks in the order of the schedule (`planner.pipeline.steady.schedule`), each as soon as its inference has
come so far and all that it needs is free. Without jitter nothing is later than in the schedule.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from planner.pipeline.instance import Floats, Instance
from planner.pipeline.loads import Resource
from planner.pipeline.plan import Plan
from planner.pipeline.steady.chains import chains, turns
from planner.pipeline.steady.flow import Flow, Jitter
from planner.pipeline.steady.rhythm import Rhythm
from planner.pipeline.steady.schedule import Schedule, schedule
from protocol.errors import InvalidInput


@dataclass(frozen=True)
class Conditions:
    """What a pipeline runs under.

    An inference comes in every `interval_s`; None: at the full rate of the schedule, but with no more in the pipeline at once
    than the schedule has. Each task takes a factor of its time that is lognormal with mean 1 and the coefficient of variation
    `jitter`, from `seed`.
    """

    interval_s: float | None = None
    jitter: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.jitter < math.inf:
            raise InvalidInput(f"jitter is a share of each task's time, 0 or more, not {self.jitter}")
        if self.interval_s is not None and not 0 < self.interval_s < math.inf:
            raise InvalidInput(f"the interval between inferences must be above 0 s, not {self.interval_s}")


@dataclass(frozen=True)
class Failure:
    """A node that dies `at_s`: if it takes part, what is in the pipeline is lost; `pause_s` later `plan` runs, if there is one."""

    at_s: float
    node: int
    pause_s: float = 0.0
    plan: Plan | None = None


@dataclass(frozen=True, eq=False)
class Simulated:
    """What happened in `span_s`, until the last inference left or the pipeline stopped for good.

    `entered_s` and `left_s` [M] of those that came through; `lost` were in the pipeline when a node died, `refused` found none
    that runs. `busy_s` is what each resource worked; nodes take turns in the same way after `turns` inferences.
    """

    entered_s: Floats
    left_s: Floats
    lost: int
    refused: int
    span_s: float
    busy_s: dict[Resource, float]
    turns: int

    @property
    def finished(self) -> int:
        """How many came through."""
        return len(self.left_s)

    @property
    def period_s(self) -> float:
        """Seconds between inferences that leave, without the first and last quarter (it fills and empties); NaN for too few."""
        cycles, skipped = self.finished // self.turns, -(-self.finished // self.turns // 4)
        if cycles - 2 * skipped < 2:
            return math.nan
        left = self.left_s[: cycles * self.turns].reshape(cycles, self.turns).mean(axis=1)[skipped : cycles - skipped]
        return float(left[-1] - left[0]) / ((len(left) - 1) * self.turns)

    @property
    def latency_s(self) -> Floats:
        """[M]: seconds from coming in until leaving."""
        return self.left_s - self.entered_s

    def share(self, resource: Resource) -> float:
        """How much of the time a resource was busy."""
        return self.busy_s.get(resource, 0.0) / self.span_s if self.span_s else 0.0


def simulate(
    instance: Instance,
    plan: Plan,
    count: int,
    conditions: Conditions | None = None,
    *,
    failures: Sequence[Failure] = (),
) -> Simulated:
    """Sends `count` inferences through the pipeline. Raises InvalidInput for a plan that cannot run, before or after a failure."""
    if count < 1:
        raise InvalidInput(f"at least one inference must go through the pipeline, not {count}")
    run = _Run(instance, count, conditions or Conditions())
    for part in _parts(plan, failures):
        run.add(part)
    return run.told(turns(plan))


def alone(instance: Instance, plan: Plan, conditions: Conditions | None = None, *, count: int = 1) -> Simulated:
    """At least `count` inferences, each sent once the one before it has left, and as many to each node of those that take turns."""
    ready = schedule(
        instance, plan, interval_s=max(sum(task.seconds for task in each) for each in chains(instance, plan))
    )
    run = _Run(instance, -(-count // ready.turns) * ready.turns, conditions or Conditions())
    run.pass_through(_Part(plan), ready)
    return run.told(ready.turns)


@dataclass(frozen=True)
class _Part:
    """A plan and while it runs."""

    plan: Plan
    begins_s: float = 0.0
    ends_s: float = math.inf


def _parts(plan: Plan, failures: Sequence[Failure]) -> Iterator[_Part]:
    begins_s = 0.0
    for failure in sorted(failures, key=lambda each: each.at_s):
        if failure.node in plan.nodes:
            yield _Part(plan, begins_s, failure.at_s)
            if failure.plan is None:
                return
            plan, begins_s = failure.plan, max(begins_s, failure.at_s + failure.pause_s)
    yield _Part(plan, begins_s)


@dataclass(eq=False)
class _Run:
    """What has happened so far."""

    instance: Instance
    count: int
    conditions: Conditions
    entered_s: list[Floats] = field(default_factory=list)
    left_s: list[Floats] = field(default_factory=list)
    busy_s: dict[Resource, float] = field(default_factory=dict)
    came: int = 0
    lost: int = 0
    span_s: float = 0.0

    def __post_init__(self) -> None:
        self._jitter = Jitter(self.conditions.jitter, np.random.default_rng(self.conditions.seed))

    def add(self, part: _Part) -> None:
        """What a plan does while it runs."""
        self.pass_through(part, schedule(self.instance, part.plan, interval_s=self.conditions.interval_s or 0.0))

    def pass_through(self, part: _Part, ready: Schedule) -> None:
        """What a schedule of the plan does while it runs."""
        flow = Flow(Rhythm.of(ready), self._arrivals(part, ready), self.conditions.interval_s is None, part.ends_s)
        if len(flow.arrivals_s):
            flow.run(self._jitter)
            self._keep(flow)
        if self.came < self.count and part.ends_s < math.inf:
            self.span_s = max(self.span_s, part.ends_s)

    def _arrivals(self, part: _Part, ready: Schedule) -> Floats:
        interval_s = self.conditions.interval_s
        if interval_s is not None:
            times = np.arange(self.count) * interval_s
            return np.asarray(times[(times >= part.begins_s) & (times < part.ends_s)])
        first = np.array([each[0].start_s for each in ready.inferences])
        left = self.count - self.came
        cycles = np.arange(-(-left // ready.turns)) * ready.cycle_s
        times = part.begins_s + (cycles[:, None] + first[None, :]).ravel()[:left]
        return np.asarray(times[times < part.ends_s])

    def _keep(self, flow: Flow) -> None:
        entered_s = flow.entered_s if flow.held_back else flow.arrivals_s
        through = flow.left_s <= flow.until_s
        lost = (entered_s < flow.until_s) & ~through
        self.entered_s.append(entered_s[through])
        self.left_s.append(flow.left_s[through])
        self.came += int((through | lost).sum())
        self.lost += int(lost.sum())
        for resource, seconds in flow.busy_s.items():
            self.busy_s[resource] = self.busy_s.get(resource, 0.0) + seconds
        stopped_s = flow.until_s if lost.any() else 0.0
        self.span_s = max(self.span_s, stopped_s, float(flow.left_s[through].max(initial=0.0)))

    def told(self, turns: int) -> Simulated:
        """All of it."""
        none = np.zeros(0)
        entered_s, left_s = np.concatenate([none, *self.entered_s]), np.concatenate([none, *self.left_s])
        refused = self.count - len(left_s) - self.lost
        return Simulated(entered_s, left_s, self.lost, refused, self.span_s, self.busy_s, turns)
