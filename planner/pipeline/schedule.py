"""When each task of a plan runs in the steady state: a cycle that repeats, in which nothing does two things at once.

A plan's bottleneck is the load of one resource, so it bounds from below the seconds between inferences. Whether that bound is
reached is a question of order:
- `links`: always. Each node and link is met by every r-th inference at equal distances, for at most r periods.
- `shared`: always. Transmissions follow each other around the cycle without a gap.
- `half_duplex`, one node per stage: always. The transmissions form a path (the dispatcher is wired), and each fits beside the
  one before it, since the two together are the load of the radio that they share.
- `half_duplex`, nodes that take turns: not always, as transmissions are not broken up. The schedule's own period, the least
  that its order allows, is then the honest figure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from planner.pipeline.chains import Chain, Task, chains
from planner.pipeline.circle import CLOSE, Circle, next_at
from planner.pipeline.instance import Instance
from planner.pipeline.loads import Kind, evaluate
from planner.pipeline.plan import Plan
from planner.pipeline.tightening import tightened

_WIDER = (1.0, 1.02, 1.05, 1.1, 1.2, 1.4, 2.0, 4.0, 8.0, 16.0, 32.0)
"""How much wider than the bottleneck a first cycle may be, so that each task finds room."""
_ATTEMPTS = 3


@dataclass(frozen=True)
class Placed:
    """A task and when it starts, in seconds from the beginning of the cycle in which its inference begins."""

    task: Task
    start_s: float


@dataclass(frozen=True)
class Schedule:
    """What repeats every `cycle_s`: so many inferences (`turns`), one every `period_s` on average.

    `bottleneck_s` is the greatest load, below which no order can come. `inferences` are the tasks of each inference of a cycle.
    """

    inferences: tuple[tuple[Placed, ...], ...]
    period_s: float
    bottleneck_s: float

    @property
    def turns(self) -> int:
        """Inferences per cycle."""
        return len(self.inferences)

    @property
    def cycle_s(self) -> float:
        """Seconds until all repeats."""
        return self.period_s * self.turns

    @property
    def latency_s(self) -> float:
        """Mean seconds from the beginning of an inference to its end, at full rate."""
        return sum(each[-1].start_s + each[-1].task.seconds - each[0].start_s for each in self.inferences) / self.turns

    @property
    def is_tight(self) -> bool:
        """Whether no order can be faster."""
        return self.period_s <= self.bottleneck_s * (1 + 2 * CLOSE)


def schedule(instance: Instance, plan: Plan, *, interval_s: float = 0.0) -> Schedule:
    """A schedule of the plan with one inference every `interval_s`, or as often as it allows.

    Raises InvalidInput for a plan that cannot run.
    """
    bottleneck_s = evaluate(instance, plan).bottleneck_s
    work = chains(instance, plan)
    wanted_s = max(bottleneck_s, interval_s)
    if not wanted_s:
        return Schedule(tuple(tuple(Placed(task, 0.0) for task in chain) for chain in work), 0.0, 0.0)
    found = _greedy(work, wanted_s) or _regular(work, wanted_s)
    if found is None:
        found = min(_ordered(work, wanted_s), key=lambda each: (each[0], each[1][-1][-1].start_s))
    return Schedule(found[1], found[0], bottleneck_s)


Found = tuple[float, tuple[tuple[Placed, ...], ...]]
"""A period, and the tasks of each inference."""


def _greedy(work: Sequence[Chain], period_s: float) -> Found | None:
    """Each task as early as it finds room, inference by inference; None where one finds none."""
    circle = Circle(period_s * len(work))
    inferences = []
    for turn, chain in enumerate(work):
        placed: list[Placed] = []
        ready_s = turn * period_s
        for task in chain:
            start_s = circle.earliest(task, ready_s)
            if start_s is None:
                return None
            circle.take(task, start_s)
            placed.append(Placed(task, start_s))
            ready_s = start_s + task.seconds
        inferences.append(tuple(placed))
    return period_s, tuple(inferences)


def _regular(work: Sequence[Chain], period_s: float) -> Found | None:
    """Tasks of the same place at equal distances, transmissions through the air without a gap; None where that cannot be."""
    if any(resource.kind is Kind.RADIO for chain in work for task in chain for resource in task.occupies):
        return None
    air = _one_after_another(work)
    ready = [0.0] * len(work)
    columns = []
    for tasks in zip(*work, strict=True):
        if any(task in air for task in tasks):
            starts = [
                next_at(air[task], at_s, period_s * len(work)) if task in air else at_s
                for task, at_s in zip(tasks, ready, strict=True)
            ]
        else:
            delay = max(at_s - turn * period_s for turn, at_s in enumerate(ready))
            starts = [delay + turn * period_s for turn in range(len(work))]
        columns.append([Placed(task, start) for task, start in zip(tasks, starts, strict=True)])
        ready = [start + task.seconds for task, start in zip(tasks, starts, strict=True)]
    return period_s, tuple(zip(*columns, strict=True))


def _one_after_another(work: Sequence[Chain]) -> dict[Task, float]:
    """When each transmission through the air that all share begins, from the beginning of the cycle."""
    begins, now_s = {}, 0.0
    for task in (task for chain in work for task in chain):
        if any(resource.kind is Kind.AIR for resource in task.occupies):
            begins[task] = now_s
            now_s += task.seconds
    return begins


def _ordered(work: Sequence[Chain], period_s: float) -> Iterator[Found]:
    """The orders that wider cycles give, each as fast as it can be."""
    left = _ATTEMPTS
    for wider in _WIDER:
        found = _greedy(work, period_s * wider)
        if found is not None and left:
            left -= 1
            yield _tight(work, found, period_s)


def _tight(work: Sequence[Chain], found: Found, least_s: float) -> Found:
    tasks = [placed.task for inference in found[1] for placed in inference]
    starts = [placed.start_s for inference in found[1] for placed in inference]
    cycle_s, times = tightened(tasks, starts, found[0] * len(work), least_s * len(work))
    now = iter(times)
    return cycle_s / len(work), tuple(tuple(Placed(task, next(now)) for task in chain) for chain in work)
