"""What it costs to plan as if computing cost nothing, as the published model does: both plans, judged with all that counts."""

from __future__ import annotations

from dataclasses import dataclass

from planner.pipeline.loads import evaluate
from planner.pipeline.plan import Plan
from planner.pipeline.search import best
from protocol.errors import InvalidInput
from tools.clusters.problem import Problem
from tools.clusters.published_view import published_view


@dataclass(frozen=True)
class Comparison:
    """Seconds between inferences of the best plan, and of the one that is best by the published model (None: it has none that
    runs); both as they would really be. `proven`: whether both searches ended."""

    full_s: float
    published_s: float | None
    full: Plan
    published: Plan | None
    proven: bool

    @property
    def loss(self) -> float | None:
        """How many times as long the published model's plan takes."""
        return None if self.published_s is None else self.published_s / self.full_s


def compare(problem: Problem) -> Comparison:
    """Plans for throughput with the full model and with the published one. InvalidInput where no plan exists at all.

    The published model sees many plans as equal; it takes one of the fewest nodes, as the exact search does.
    """
    full = best(problem.instance)
    if full.plan is None:
        raise InvalidInput(f"{problem.instance.name}: no plan exists, so that there is nothing to compare")
    published = best(published_view(problem).instance)
    return Comparison(
        full.value,
        _real_s(problem, published.plan),
        full.plan,
        published.plan,
        full.proven and published.proven,
    )


def _real_s(problem: Problem, plan: Plan | None) -> float | None:
    """What a plan takes with all that counts; None where it cannot run then: a node that the dispatcher does not reach."""
    if plan is None:
        return None
    try:
        return evaluate(problem.instance, plan).bottleneck_s
    except InvalidInput:
        return None
