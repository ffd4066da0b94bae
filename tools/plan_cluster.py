"""Plan one network over the nodes of a cluster: where it is cut, and which node runs which stage of the pipeline.

The problem is a published instance (JSON: what crosses each cut over a matrix of bandwidths). The plan that is printed is
the best one, and proven to be, unless it is said how far it may be from it. Exit codes: 0 good, 1 nothing was found in
time, 2 bad input, 3 no plan can exist (the reason is told), 130 interrupted: the best plan until then is printed.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path
from typing import Any

from planner.pipeline.plan import Found
from planner.pipeline.search import Objective
from protocol.errors import InvalidInput, ProvenInfeasible
from tools.clusters.facts import facts_of
from tools.clusters.printing import show
from tools.clusters.problem import read_instance
from tools.clusters.solving import METHODS, Order, solve
from tools.clusters.stopping import Stopping
from tools.output import add_json_argument, check_json_target, console, write_json

SUMMARY = "plan one network over several devices that form a pipeline"

_NOTHING_IN_TIME, _INTERRUPTED = 1, 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("instance", type=Path, metavar="INSTANCE.json", help="a published instance")
    parser.add_argument(
        "--objective",
        choices=[each.value for each in Objective],
        default=Objective.THROUGHPUT.value,
        help="what is to be best (default: %(default)s)",
    )
    parser.add_argument("--method", choices=METHODS, default=METHODS[0], help="how to search (default: %(default)s)")
    parser.add_argument("--floor", type=float, metavar="N", help="inferences per second that the plan must do at least")
    parser.add_argument(
        "--time-limit", type=float, metavar="S", help="search so long at most, and print the best so far"
    )
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    order = _order(arguments)
    problem = read_instance(arguments.instance)
    started_s = time.perf_counter()
    with Stopping(arguments.time_limit) as stopping:
        found = solve(problem, order, stopping)
        facts = facts_of(problem, order, found, seconds=time.perf_counter() - started_s)
    if found.plan is None:
        return _without_plan(arguments.json, found, facts, interrupted=stopping.interrupted)
    show(facts, console())
    write_json(arguments.json, facts)
    return _INTERRUPTED if stopping.interrupted else 0


def _order(arguments: argparse.Namespace) -> Order:
    """InvalidInput for what can be told before any work."""
    check_json_target(arguments.json)
    for option, value in (("--floor", arguments.floor), ("--time-limit", arguments.time_limit)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InvalidInput(f"{option} must be a number above 0, not {value}")
    return Order(Objective(arguments.objective), arguments.method, arguments.floor)


def _without_plan(target: str | None, found: Found, facts: dict[str, Any], *, interrupted: bool) -> int:
    """Why there is none: ProvenInfeasible with the reason, else a line and the exit code."""
    if found.proven:
        reason = "no plan can exist: no order of nodes and cuts holds all pieces and has all links"
        write_json(target, facts | {"infeasible": reason})
        raise ProvenInfeasible(reason)
    write_json(target, facts)
    console().print("no plan was found yet; none is proven to be impossible either")
    return _INTERRUPTED if interrupted else _NOTHING_IN_TIME


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["plan-cluster", *sys.argv[1:]]))
