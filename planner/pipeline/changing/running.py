"""A plan that runs already, in the words of people: what is left of it in a cluster that has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from planner.pipeline.instance import Flags, Instance
from planner.pipeline.loads import evaluate
from planner.pipeline.plan import Plan, Stage
from protocol.errors import InvalidInput

Range = tuple[int, int]
"""The pieces [first, last)."""


@dataclass(frozen=True)
class NamedStage:
    """The pieces [first, last) on nodes that are told by name; what leaves them is written by `codec` (None: the output)."""

    first: int
    last: int
    nodes: tuple[str, ...]
    codec: str | None = None


@dataclass(frozen=True, eq=False)
class Running:
    """What a cluster of N nodes has of a plan: `held` [N, P], whose weights lie where; `plan` None: it cannot run any more."""

    plan: Plan | None
    held: Flags


@dataclass(frozen=True)
class Deployed:
    """A plan and the ranges of pieces of which nodes hold spare copies, by the nodes' names."""

    stages: tuple[NamedStage, ...]
    spares: Mapping[str, Sequence[Range]] = field(default_factory=dict)

    def left_in(self, instance: Instance) -> Running:
        """What is left of it; a node whose memory is too small now for what it held holds nothing.

        InvalidInput where it is a plan for another network.
        """
        self._check(instance)
        numbers = {node.name: number for number, node in enumerate(instance.nodes)}
        held = np.zeros((len(numbers), instance.pieces.count), dtype=np.bool_)
        for name, (first, last) in self._holdings():
            if name in numbers:
                held[numbers[name], first:last] = True
        held[(held * instance.pieces.weight_bytes).sum(axis=1) >= instance.capacity_bytes] = False
        return Running(self._plan(instance, numbers), held)

    def _check(self, instance: Instance) -> None:
        count = instance.pieces.count
        last = self.stages[-1].last if self.stages else 0
        if last != count:
            raise InvalidInput(f"the running plan is for a network of {last} pieces, and this one has {count}")
        for name, (first, end) in self._holdings():
            if not 0 <= first < end <= count:
                raise InvalidInput(f"the running plan says that {name} holds pieces {first} to {end} of {count}")

    def _holdings(self) -> list[tuple[str, Range]]:
        stages = [(name, (stage.first, stage.last)) for stage in self.stages for name in stage.nodes]
        return stages + [(name, each) for name, ranges in self.spares.items() for each in ranges]

    def _plan(self, instance: Instance, numbers: Mapping[str, int]) -> Plan | None:
        codecs = [codec.name for codec in instance.codecs]
        try:
            stages = tuple(
                Stage(stage.first, stage.last, tuple(sorted(numbers[name] for name in stage.nodes)))
                for stage in self.stages
            )
            plan = Plan(stages, tuple(codecs.index(str(stage.codec)) for stage in self.stages[:-1]))
            evaluate(instance, plan)
        except (KeyError, ValueError):  # a node or a codec is gone; InvalidInput, that it cannot run, is a ValueError
            return None
        return plan
