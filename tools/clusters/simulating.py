"""A plan tried out: what the simulated pipeline does, beside what the plan promises."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from planner.pipeline.instance import Instance
from planner.pipeline.loads import Evaluation, evaluate
from planner.pipeline.plan import Plan
from planner.pipeline.steady.schedule import Schedule, schedule
from planner.pipeline.steady.simulate import Conditions, Simulated, alone, simulate
from protocol.errors import InvalidInput
from tools.clusters.facts import resource_name
from tools.clusters.problem import Problem

_FEWEST, _MOST = 10, 1_000_000
_ALONE = 100


@dataclass(frozen=True)
class Trial:
    """How many inferences run through the pipeline, and by what share the time of each task varies (coefficient of variation)."""

    count: int
    jitter: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not _FEWEST <= self.count <= _MOST:
            raise InvalidInput(f"--simulate must be {_FEWEST} to {_MOST} inferences, not {self.count}")
        if not 0 <= self.jitter < math.inf:
            raise InvalidInput(f"--jitter is a share of each task's time, 0 or more, not {self.jitter}")


def simulated_facts(problem: Problem, plan: Plan, trial: Trial) -> dict[str, Any]:
    """`predicted`, `simulated` and `jittered` (None without jitter), all at full rate, with the same names of figures."""
    instance = problem.instance
    promised, ready = evaluate(instance, plan), schedule(instance, plan)
    ran = _ran(instance, plan, trial.count, Conditions(seed=trial.seed))
    jittered = None
    if trial.jitter:
        jittered = _ran(instance, plan, trial.count, Conditions(jitter=trial.jitter, seed=trial.seed))
    return {
        "inferences": trial.count,
        "jitter": trial.jitter,
        "seed": trial.seed,
        "limit": resource_name(problem, promised.limit),
        "order_is_tight": ready.is_tight,
        "predicted": _promised(promised, ready),
        "simulated": _seen(*ran, promised),
        "jittered": _seen(*jittered, promised) if jittered else None,
    }


def show_simulated(facts: Mapping[str, Any], out: Console) -> None:
    """The same for people."""
    kinds = ["predicted", "simulated", *(["jittered"] if facts["jittered"] else [])]
    table = Table(title=f"{facts['inferences']} inferences, simulated", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for kind in kinds:
        table.add_column(f"jitter {facts['jitter']:g}" if kind == "jittered" else kind, justify="right")
    for name, words in _ROWS.items():
        table.add_row(escape(words.format(limit=facts["limit"])), *(_cell(name, facts[kind][name]) for kind in kinds))
    out.print(table)
    if not facts["order_is_tight"]:
        out.print(
            "predicted is the pace of the best order found: with nodes that take turns, radios cannot always be kept busy"
        )


_ROWS = {
    "period_s": "ms between inferences",
    "latency_alone_s": "ms of one alone",
    "latency_s": "ms of one at full rate",
    "latency_p95_s": "  of which 95 % stay below",
    "limit_busy": "busy: {limit}",
}


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1%}" if name == "limit_busy" else f"{value * 1e3:,.2f}"


def _ran(instance: Instance, plan: Plan, count: int, conditions: Conditions) -> tuple[Simulated, Simulated]:
    return simulate(instance, plan, count, conditions), alone(instance, plan, conditions, count=min(count, _ALONE))


def _promised(promised: Evaluation, ready: Schedule) -> dict[str, float | None]:
    return {
        "period_s": ready.period_s,
        "latency_alone_s": promised.latency_s,
        "latency_s": ready.latency_s,
        "latency_p95_s": None,
        "limit_busy": promised.bottleneck_s / ready.period_s if ready.period_s else None,
    }


def _seen(ran: Simulated, one: Simulated, promised: Evaluation) -> dict[str, float | None]:
    latency_s = ran.latency_s
    return {
        "period_s": None if math.isnan(ran.period_s) else ran.period_s,
        "latency_alone_s": float(one.latency_s.mean()),
        "latency_s": float(latency_s.mean()),
        "latency_p95_s": float(np.quantile(latency_s, 0.95)),
        "limit_busy": ran.share(promised.limit) if promised.limit and ran.span_s else None,
    }
