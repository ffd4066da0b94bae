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
from itertools import accumulate, islice

from planner.pipeline.instance import Instance
from planner.pipeline.loads import Kind, evaluate
from planner.pipeline.plan import Plan
from planner.pipeline.steady.chains import Chain, Task, chains
from planner.pipeline.steady.circle import CLOSE, Circle, next_at
from planner.pipeline.steady.tightening import tightened

_WIDER = (1.0, 1.03, 1.06, 1.1, 1.15, 1.2, 1.25, 1.3, 1.4, 1.5, 2.0, 4.0, 8.0, 16.0, 32.0)
"""How much wider than the bottleneck a first cycle may be, so that each task finds room."""
_ATTEMPTS = 6


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


@dataclass(frozen=True)
class _Timed:
    """Seconds between inferences, and when the tasks of each of them start."""

    period_s: float
    inferences: tuple[tuple[Placed, ...], ...]


def schedule(instance: Instance, plan: Plan, *, interval_s: float = 0.0) -> Schedule:
    """A schedule of the plan with one inference every `interval_s`, or as often as it allows.

    Raises InvalidInput for a plan that cannot run.
    """
    bottleneck_s = evaluate(instance, plan).bottleneck_s
    work = chains(instance, plan)
    wanted_s = max(bottleneck_s, interval_s)
    if not wanted_s:
        return Schedule(tuple(tuple(Placed(task, 0.0) for task in chain) for chain in work), 0.0, 0.0)
    found = _greedy(work, wanted_s) or min(_ordered(work, wanted_s), key=lambda each: each.period_s)
    return Schedule(found.inferences, found.period_s, bottleneck_s)


def _greedy(work: Sequence[Chain], period_s: float) -> _Timed | None:
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
    return _Timed(period_s, tuple(inferences))


def _ordered(work: Sequence[Chain], period_s: float) -> Iterator[_Timed]:
    """Orders of the tasks, each as fast as it can be: the one that is known to do, or those that wider cycles give."""
    regular = _regular(work, period_s)
    if regular is not None:
        yield _tight(regular, period_s)
        return
    found = (_greedy(work, period_s * wider) for wider in _WIDER)
    for each in islice((each for each in found if each is not None), _ATTEMPTS):
        yield _tight(each, period_s)


def _regular(work: Sequence[Chain], period_s: float) -> _Timed | None:
    """Tasks of the same place at equal distances, transmissions through the air without a gap; None where radios are."""
    if any(resource.kind is Kind.RADIO for chain in work for task in chain for resource in task.occupies):
        return None
    air = _one_after_another(work)
    cycle_s = period_s * len(work)
    ready = [turn * period_s for turn in range(len(work))]
    columns = []
    for tasks in zip(*work, strict=True):
        delay = max(at_s - turn * period_s for turn, at_s in enumerate(ready))
        starts = [
            next_at(air[task], at_s, cycle_s) if task in air else delay + turn * period_s
            for turn, (task, at_s) in enumerate(zip(tasks, ready, strict=True))
        ]
        columns.append([Placed(task, start) for task, start in zip(tasks, starts, strict=True)])
        ready = [placed.start_s + placed.task.seconds for placed in columns[-1]]
    return _Timed(period_s, tuple(zip(*columns, strict=True)))


def _one_after_another(work: Sequence[Chain]) -> dict[Task, float]:
    """When each transmission through the air that all share begins in the cycle: one over each boundary in turn, of inferences
    that lie so far apart as nodes take turns in between."""
    begins, now_s = {}, 0.0
    apart = [0, *accumulate(len({task.ends for task in tasks}) for tasks in list(zip(*work, strict=True))[1::2])]
    for slot in range(len(work)):
        for boundary, behind in enumerate(apart):
            task = work[(slot - behind) % len(work)][2 * boundary]
            if any(resource.kind is Kind.AIR for resource in task.occupies):
                begins[task] = now_s
                now_s += task.seconds
    return begins


def _tight(found: _Timed, least_s: float) -> _Timed:
    everything = [placed for inference in found.inferences for placed in inference]
    turns = len(found.inferences)
    tasks, starts = [placed.task for placed in everything], [placed.start_s for placed in everything]
    cycle_s, times = tightened(tasks, starts, found.period_s * turns, least_s * turns)
    now = iter(times)
    inferences = tuple(tuple(Placed(each.task, next(now)) for each in inference) for inference in found.inferences)
    return _Timed(cycle_s / turns, inferences)
