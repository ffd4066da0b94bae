"""A pipeline drawn: the cluster on the map, and below it one cycle of the steady state."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

from planner.pipeline.loads import Resource, evaluate
from planner.pipeline.plan import Plan
from planner.pipeline.steady.schedule import Schedule, schedule
from tools.clusters.facts import kinds_of, resource_name
from tools.clusters.in_words import counted, duration
from tools.clusters.problem import Problem
from tools.plots.cluster_map import draw_map
from tools.plots.cycle_strip import draw_cycle
from tools.plots.figures import STYLE, save

_WIDTH, _MAP, _ROW, _STRIP = 9.0, 8.2, 0.27, 1.2
"""Inches: of the figure, the map's height, a row of the strip, and what the strip needs beside its rows."""


def draw_pipeline(problem: Problem, plan: Plan, path: Path) -> None:
    """Draws a plan to a file that ends in .svg or .png."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    cycle = schedule(problem.instance, plan)
    limit = evaluate(problem.instance, plan).limit if cycle.period_s else None
    strip = _STRIP + _ROW * (len(plan.nodes) + 1) if cycle.period_s else 0.0
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH, _MAP + strip), layout="constrained")
        if cycle.period_s:
            upper, lower = figure.subplots(2, 1, height_ratios=[_MAP, strip])
            draw_cycle(lower, problem, plan, cycle, limit)
        else:
            upper = figure.subplots()
        draw_map(upper, problem, plan, limit)
        figure.suptitle(_title(problem, plan, cycle, limit), fontsize=11.5, x=0.01, ha="left")
        save(figure, path)


def _title(problem: Problem, plan: Plan, cycle: Schedule, limit: Resource | None) -> str:
    where = f"{counted(len(plan.stages), 'stage')} on {len(plan.nodes)} of {counted(len(problem.node_ids), 'node')}"
    if not cycle.period_s:
        return f"{problem.instance.name}: {where}, nothing takes time"
    kinds = ", ".join(sorted(kind.value for kind in kinds_of(problem, plan)["bottleneck_s"]))
    pace = f"one inference every {duration(cycle.period_s)}, limited by {resource_name(problem, limit)}"
    return fill(f"{problem.instance.name}: {where}, {pace} ({kinds})", 100)
