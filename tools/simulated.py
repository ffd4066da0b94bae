"""What a simulation found: facts for machines, a table for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.simulation.contest import Contest, Summary, summary
from planner.simulation.served import Served, Workload
from protocol.configuration import Configuration
from tools.output import console


def facts_of(contest: Contest, workload: Workload, served: Mapping[str, Served], *, replayed: bool) -> dict[str, Any]:
    """As JSON holds them: nothing in it depends on the machine. `replayed`: no trial was changed on the way."""
    infeasible = contest.infeasible(workload.deadlines_ms)
    return {
        "requests": len(workload.deadlines_ms),
        "infeasible": infeasible,
        "configurations": len(contest.recording.configurations),
        "account": contest.account.value,
        "link": contest.link.to_json(),
        "provenance": _provenance(contest, replayed=replayed),
        "strategies": {
            name: _strategy(_summary(contest, workload, found), infeasible) for name, found in served.items()
        },
    }


def show(facts: Mapping[str, Any]) -> None:
    """The strategies in a table, on stderr."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as Grid

    grid = Grid(
        title=f"{facts['network']} on {facts['device']}: {facts['requests']:,} requests, {_outcomes(facts)}",
        caption=_caption(facts),
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for heading in ("strategy", "late", "ms", "J", "edge kJ", "+ node kJ", "most chosen"):
        grid.add_column(heading, justify="left" if heading in ("strategy", "most chosen") else "right", no_wrap=True)
    for name, found in facts["strategies"].items():
        grid.add_row(name, *_cells(found))
    out = console()
    out.print(grid)
    out.print(_knowledge(facts))


def _summary(contest: Contest, workload: Workload, served: Served) -> Summary:
    return summary(served, workload, contest.recording.configurations, contest.account)


def _strategy(found: Summary, infeasible: int) -> dict[str, Any]:
    return {
        "requests": found.requests,
        "violations": found.violations,
        "infeasible": infeasible,
        "fallbacks": found.fallbacks,
        "median_latency_ms": found.median_latency_ms,
        "energy_j": {"edge": found.edge_mj / 1e3, "edge_node": found.edge_node_mj / 1e3},
        "median_energy_j": found.median_energy_mj / 1e3,
        "decisions": [
            {"configuration": configuration.to_json(), "requests": count}
            for configuration, count in found.decisions.items()
        ],
    }


def _provenance(contest: Contest, *, replayed: bool) -> dict[str, list[str]]:
    """All kinds that are in the figures: those of the trials, and an estimate wherever they were changed."""
    return {
        figure: sorted({*(kind.value for kind in kinds), *(() if replayed else ("estimated",))})
        for figure, kinds in contest.kinds.items()
    }


def _cells(found: Mapping[str, Any]) -> tuple[str, ...]:
    chosen = found["decisions"][0]
    return (
        f"{found['violations']:,}",
        f"{found['median_latency_ms']:.1f}",
        f"{found['median_energy_j']:.2f}",
        f"{found['energy_j']['edge'] / 1e3:,.2f}",
        f"{found['energy_j']['edge_node'] / 1e3:,.2f}",
        f"{_short(chosen['configuration'])}: {chosen['requests'] / found['requests']:.0%}",
    )


def _short(content: Mapping[str, Any]) -> str:
    configuration = Configuration.from_json(content)
    return (
        f"{configuration.cut}@{configuration.cpu_khz / 1000:.0f}"
        f"{'' if configuration.edge_accelerator == 'off' else f' {configuration.edge_accelerator}'}"
    )


def _outcomes(facts: Mapping[str, Any]) -> str:
    return "recorded outcomes" if facts["outcomes"] == "recorded" else "medians with residuals"


def _caption(facts: Mapping[str, Any]) -> str:
    kinds = sorted({kind for found in facts["provenance"].values() for kind in found})
    return (
        f"ms and J are medians (J: {facts['account']}), kJ totals; "
        f"{facts['infeasible']:,} deadlines lie below the fastest configuration's median; seed {facts['seed']}; "
        f"drawn from {facts['trials']} trials whose figures are {', '.join(kinds) or 'of unknown kind'}"
    )


def _knowledge(facts: Mapping[str, Any]) -> str:
    known = f"dynasplit knew {facts['measured']} of {facts['space']} configurations"
    if facts["budget"]:
        known += f" ({facts['asked']} asked for; the others were never recorded)"
    return f"{known}; {facts['suspects']} suspect trials were left out"
