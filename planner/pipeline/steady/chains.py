"""What has to be done for each inference, one task after another: sent, run by a stage, sent on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from planner.pipeline.instance import Instance
from planner.pipeline.loads import DISPATCHER, Kind, Resource, busy_s, occupied, transmit_s
from planner.pipeline.plan import Plan


@dataclass(frozen=True)
class Task:
    """Something that takes `seconds` and keeps what it `occupies` busy.

    `turn` is the inference's place among those after which nodes take turns in the same way again, `position` the task's place
    in its inference: 2k sends over boundary k (before stage k), 2k + 1 runs stage k. `ends` are sender and receiver, or the
    node that computes.
    """

    turn: int
    position: int
    ends: tuple[int, ...]
    seconds: float
    occupies: tuple[Resource, ...]

    @property
    def is_transmission(self) -> bool:
        """Whether something is sent; otherwise a stage runs."""
        return self.position % 2 == 0


Chain = tuple[Task, ...]
"""All tasks of an inference, in their order."""


def turns(plan: Plan) -> int:
    """After so many inferences the nodes take turns in the same way again."""
    return math.lcm(*(len(stage.nodes) for stage in plan.stages))


def chains(instance: Instance, plan: Plan) -> tuple[Chain, ...]:
    """The tasks of each of the inferences until nodes take turns in the same way again. The plan must be one that can run."""
    return tuple(_chain(instance, plan, turn) for turn in range(turns(plan)))


def _chain(instance: Instance, plan: Plan, turn: int) -> Chain:
    way = [DISPATCHER, *(stage.nodes[turn % len(stage.nodes)] for stage in plan.stages), DISPATCHER]
    tasks: list[Task] = []
    for boundary, ends in enumerate(pairwise(way)):
        seconds = transmit_s(instance, plan, boundary, ends)
        tasks.append(_task(turn, 2 * boundary, ends, seconds, occupied(instance.medium, *ends)))
        node = ends[1]
        if node != DISPATCHER:
            seconds = busy_s(instance, plan, boundary, node)
            tasks.append(_task(turn, 2 * boundary + 1, (node,), seconds, (Resource(Kind.PROCESSOR, (node,)),)))
    return tuple(tasks)


def _task(turn: int, position: int, ends: tuple[int, ...], seconds: float, occupies: tuple[Resource, ...]) -> Task:
    """What takes no time keeps nothing busy."""
    return Task(turn, position, ends, seconds, occupies if seconds else ())
