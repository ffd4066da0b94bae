"""The ten published instances: the exact plan, and the papers' ways beside what was published of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from planner.pipeline.baselines.methods import at_random, greedy, kpath
from planner.pipeline.finding.infeasible import why_infeasible
from planner.pipeline.finding.search import best
from planner.pipeline.instance import Instance
from planner.pipeline.loads import evaluate
from planner.pipeline.plan import Plan
from tools.benches.cluster.networks import Published, figures, timed, told
from tools.benches.figures import Target, spread

MOST_CPU_S = 0.5
RANDOM_PLANS = 200
KPATH_SEEDS = 20


def facts(instances: Sequence[Published]) -> dict[str, Any]:
    """By instance."""
    return {each.name: _facts(each) for each in instances}


def targets(found: Mapping[str, Any]) -> list[Target]:
    differences = [each["off_published"] for each in found.values()]
    return [
        Target(
            "published instances, CPU of the slowest", max(each["cpu_s"] for each in found.values()), MOST_CPU_S, "s"
        ),
        Target(
            "published instances without a proof", sum(not each["exact"]["proven"] for each in found.values()), 0, ""
        ),
        Target("published instances off the published optimum", sum(each > 1e-9 for each in differences), 0, ""),
    ]


def _facts(each: Published) -> dict[str, Any]:
    problem = each.problem
    found, cpu_s = timed(lambda: best(problem), time.process_time)
    facts = {
        "nodes": len(problem.nodes),
        "exact": figures(found),
        "cpu_s": round(cpu_s, 4),
        "off_published": _off(found.value if found.plan else None, each.exact_s),
        "published": {
            "exact_s": told(each.exact_s),
            "kpath_s": told(each.kpath_s),
            "greedy_s": told(each.greedy_s),
            "random_mean_s": told(each.random_s),
        },
        "kpath": _spread([kpath(problem, np.random.default_rng(seed)) for seed in range(KPATH_SEEDS)], problem),
        "greedy_s": told(_value(greedy(problem), problem)),
        "random": _random(problem),
    }
    return facts if found.plan else facts | {"infeasible": why_infeasible(problem)}


def _off(ours_s: float | None, published_s: float | None) -> float:
    """The relative difference; 1 where only one of them has a plan."""
    if ours_s is None or published_s is None:
        return float(ours_s is not published_s)
    return abs(ours_s / published_s - 1)


def _random(problem: Instance) -> dict[str, float] | None:
    rng = np.random.default_rng(0)
    plans = [at_random(problem, rng) for _ in range(RANDOM_PLANS)]
    values = [value for plan in plans if (value := _value(plan, problem)) is not None]
    return {"mean_s": round(statistics.mean(values), 6), "best_s": round(min(values), 6)} if values else None


def _spread(plans: Sequence[Plan | None], problem: Instance) -> dict[str, float] | None:
    values = [value for plan in plans if (value := _value(plan, problem)) is not None]
    return spread(values, 6) if values else None


def _value(plan: Plan | None, problem: Instance) -> float | None:
    return evaluate(problem, plan).bottleneck_s if plan else None
