"""The order in which a schedule has its tasks done, cycle after cycle, without its times."""

from __future__ import annotations

from dataclasses import dataclass

from planner.pipeline.steady.chains import Task
from planner.pipeline.steady.circle import CLOSE, place_of
from planner.pipeline.steady.schedule import Placed, Schedule


@dataclass(frozen=True)
class Beat:
    """A task at its place in the cycle, for an inference that began `behind` cycles before."""

    task: Task
    behind: int


@dataclass(frozen=True)
class Rhythm:
    """The tasks of one cycle in their order, and how many inferences are in the pipeline at once at most."""

    beats: tuple[Beat, ...]
    turns: int
    depth: int

    @classmethod
    def of(cls, schedule: Schedule) -> Rhythm:
        """The order that a schedule stands for. Tasks of the same instant: the older inference first."""
        places = _places(schedule)
        order = sorted(places, key=lambda task: (places[task][1], -places[task][0], task.turn, task.position))
        beats = tuple(Beat(task, places[task][0]) for task in order)
        return cls(beats, schedule.turns, _depth(schedule, beats))


def _places(schedule: Schedule) -> dict[Task, tuple[int, float]]:
    """Of each task, in which cycle after that of its inference, and when in it; times that are as good as equal are equal."""
    cycle_s = schedule.cycle_s
    if not cycle_s:
        return {placed.task: (0, 0.0) for each in schedule.inferences for placed in each}
    found: dict[Task, tuple[int, float]] = {}
    last = 0.0
    everything = (placed for each in schedule.inferences for placed in each)
    for placed in sorted(everything, key=lambda each: each.start_s % cycle_s):
        behind, offset_s = place_of(placed.start_s, cycle_s)
        if last <= offset_s <= last + CLOSE * cycle_s:
            offset_s = last
        last = max(last, offset_s)
        found[placed.task] = (behind, offset_s)
    return found


def _depth(schedule: Schedule, beats: tuple[Beat, ...]) -> int:
    """The fewest inferences between two of which the later one begins only after the earlier one has ended."""
    place = {beat.task: (beat.behind, index) for index, beat in enumerate(beats)}
    depth = 1
    while any(not _has_left(schedule, place, turn, depth) for turn in range(schedule.turns)):
        depth += 1
    return depth


def _has_left(schedule: Schedule, place: dict[Task, tuple[int, int]], turn: int, depth: int) -> bool:
    """Whether, when an inference of this turn begins, the one `depth` before has ended."""
    cycles, before = divmod(turn - depth, schedule.turns)
    first: Placed = schedule.inferences[turn][0]
    last: Placed = schedule.inferences[before][-1]
    behind, index = place[last.task]
    if (cycles + behind, index) >= place[first.task]:
        return False
    ended_s = last.start_s + last.task.seconds + cycles * schedule.cycle_s
    return ended_s <= first.start_s + CLOSE * schedule.cycle_s
