"""A plan: the stages of a pipeline in their order, and how what crosses between them is written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """The pieces [first, last) on one node, or on several that take turns, in ascending order of their index."""

    first: int
    last: int
    nodes: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """Stages from the input to the output; `codecs[k]` is the index of the codec between stages k and k + 1."""

    stages: tuple[Stage, ...]
    codecs: tuple[int, ...] = ()

    @property
    def cuts(self) -> tuple[int, ...]:
        """The points where the network is cut."""
        return tuple(stage.last for stage in self.stages[:-1])

    @property
    def nodes(self) -> tuple[int, ...]:
        """All nodes that take part, in pipeline order."""
        return tuple(node for stage in self.stages for node in stage.nodes)


@dataclass(frozen=True)
class Found:
    """What a search found: the plan (None: none), its objective, a proven bound, and whether both meet.

    `value` and `bound` are in the objective's unit: seconds per inference, seconds of one inference, or joules.
    """

    plan: Plan | None
    value: float
    bound: float
    proven: bool

    @property
    def gap(self) -> float:
        """How far the plan may be from the best, as a share of its value."""
        if self.plan is None or self.value <= 0:
            return 0.0 if self.proven else float("inf")
        return (self.value - self.bound) / self.value
