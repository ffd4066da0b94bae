"""Plan one network over the nodes of a cluster: where it is cut, and which node runs which stage of the pipeline.

The problem is a bundle on the nodes of a cluster file, or a published instance (JSON: what crosses each cut over a matrix
of bandwidths). The plan that is printed is the best one, and proven to be, unless it is said how far it may be from it.
Exit codes: 0 good, 1 nothing was found, 2 bad input, 3 no plan can exist (the reason is told), 130 interrupted: the
best plan until then is printed.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path
from typing import Any

from planner.pipeline.finding.infeasible import why_infeasible
from planner.pipeline.finding.search import Objective
from planner.pipeline.instance import Medium
from planner.pipeline.plan import Found
from protocol.configuration import Codec
from protocol.errors import InvalidInput, ProvenInfeasible
from tools.clusters.changing import Change, planned
from tools.clusters.document import document_of
from tools.clusters.facts import facts_of
from tools.clusters.printing import show
from tools.clusters.printing_changes import show_changes
from tools.clusters.reading import MODELS, Source, read_problem
from tools.clusters.simulating import Trial, show_simulated, simulated_facts
from tools.clusters.solving import METHODS, Order
from tools.clusters.stopping import Stopping
from tools.output import add_json_argument, check_json_target, console, write_json
from tools.plots.figures import check_plot_target
from tools.plots.pipeline import draw_pipeline
from tools.tokens import add_backend_token

SUMMARY = "plan one network over several devices that form a pipeline"

_NOTHING_FOUND, _INTERRUPTED = 1, 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _add_problem(parser)
    _add_search(parser)
    _add_change(parser)
    _add_trial(parser)
    add_json_argument(parser)


def _add_problem(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("instance", type=Path, nargs="?", metavar="INSTANCE.json", help="a published instance")
    parser.add_argument("--bundle", type=Path, metavar="BUNDLE", help="plan this bundle, on the nodes of --nodes")
    parser.add_argument(
        "--nodes", type=Path, metavar="NODES.toml", help="the cluster: boards, memory, and rates between"
    )
    parser.add_argument(
        "--model",
        choices=MODELS,
        help="what costs time: what crosses a cut alone (published instances), or all (full: bundles)",
    )
    parser.add_argument(
        "--measurements",
        action="append",
        default=[],
        metavar="FILE|URL",
        help="what devices took for this bundle: JSON lines, a database's URL, or a backend's address; repeatable",
    )
    add_backend_token(parser)
    parser.add_argument(
        "--codec",
        action="append",
        choices=[codec.value for codec in Codec],
        help="how what crosses a cut may be written; repeatable (default: raw)",
    )
    parser.add_argument(
        "--medium",
        choices=[medium.value for medium in Medium],
        help="which transmissions hinder each other, whatever the file says",
    )
    parser.add_argument(
        "--replicas",
        type=int,
        default=1,
        metavar="R",
        help="so many nodes may take turns at a stage (default: %(default)s)",
    )


def _add_change(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--running", type=Path, metavar="PLAN.json", help="what runs now: find a plan near the best that moves little"
    )
    parser.add_argument(
        "--tolerance", type=float, metavar="SHARE", help="how much worse than the best with --running (default: 0.05)"
    )
    parser.add_argument(
        "--survive", type=int, metavar="F", help="lay out spare copies: any F nodes may be lost, and no weights move"
    )
    parser.add_argument(
        "--loss",
        type=float,
        metavar="SHARE",
        help="by how much the time between inferences may grow then (default: 0.2)",
    )


def _add_search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--objective",
        choices=[each.value for each in Objective],
        default=Objective.THROUGHPUT.value,
        help="what is to be best (default: %(default)s)",
    )
    parser.add_argument("--method", choices=METHODS, default=METHODS[0], help="how to search (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=0, help="of what kpath, random and jitter leave to chance (default: %(default)s)"
    )
    parser.add_argument("--floor", type=float, metavar="N", help="inferences per second that the plan must do at least")
    parser.add_argument(
        "--time-limit", type=float, metavar="S", help="search so long at most, and print the best so far"
    )


def _add_trial(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--simulate", type=int, metavar="N", help="try the plan out with so many inferences, simulated")
    parser.add_argument(
        "--jitter", type=float, metavar="X", help="simulate also with tasks whose time varies by this share of it"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw the plan on the map and its steady state: .svg, .png"
    )


def run(arguments: argparse.Namespace) -> int:
    order = _order(arguments)
    trial = _trial(arguments)
    change = _change(arguments, order)
    problem = read_problem(_source(arguments))
    started_s = time.perf_counter()
    with Stopping(arguments.time_limit) as stopping:
        found, more = planned(problem, order, change, stopping)
        facts = facts_of(problem, order, found, seconds=time.perf_counter() - started_s) | more
        if _impossible(found) and not facts["infeasible"]:
            facts["infeasible"] = why_infeasible(problem.instance, period_s=order.period_s, stop=stopping)
    if found.plan is None:
        return _without_plan(arguments.json, facts, interrupted=stopping.interrupted)
    if problem.origin:
        facts["plan"] = document_of(problem, found.plan, floor_period_s=order.period_s).to_json()
    show(facts, console())
    show_changes(facts, console())
    try:
        if trial:
            facts["simulated"] = simulated_facts(problem, found.plan, trial)
            show_simulated(facts["simulated"], console())
        if arguments.plot:
            draw_pipeline(problem, found.plan, arguments.plot)
    finally:  # a plan that was found outlives a simulation or a drawing that was interrupted
        write_json(arguments.json, facts)
    return _INTERRUPTED if stopping.interrupted else 0


def _order(arguments: argparse.Namespace) -> Order:
    """InvalidInput for what can be told before any work."""
    check_json_target(arguments.json)
    for option, value in (("--floor", arguments.floor), ("--time-limit", arguments.time_limit)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InvalidInput(f"{option} must be a number above 0, not {value}")
    if arguments.seed < 0:
        raise InvalidInput(f"--seed must be 0 or more, not {arguments.seed}")
    return Order(Objective(arguments.objective), arguments.method, arguments.floor, arguments.seed)


def _trial(arguments: argparse.Namespace) -> Trial | None:
    """InvalidInput for what cannot be tried or drawn."""
    if arguments.plot:
        check_plot_target(arguments.plot)
    if arguments.simulate is None:
        if arguments.jitter is not None:
            raise InvalidInput("--jitter needs --simulate N: how many inferences to try the plan out with")
        return None
    return Trial(arguments.simulate, arguments.jitter or 0.0, arguments.seed)


def _change(arguments: argparse.Namespace, order: Order) -> Change:
    change = Change(arguments.running, arguments.tolerance, arguments.survive, arguments.loss)
    change.check(order)
    return change


def _source(arguments: argparse.Namespace) -> Source:
    return Source(
        instance=arguments.instance,
        bundle=arguments.bundle,
        nodes=arguments.nodes,
        model=arguments.model,
        measurements=tuple(arguments.measurements),
        token=arguments.token,
        codecs=tuple(dict.fromkeys(Codec(name) for name in arguments.codec)) if arguments.codec else (),
        medium=Medium(arguments.medium) if arguments.medium else None,
        replicas=arguments.replicas,
    )


def _impossible(found: Found) -> bool:
    return found.plan is None and found.proven


def _without_plan(target: str | None, facts: dict[str, Any], *, interrupted: bool) -> int:
    """Why there is none: ProvenInfeasible with the reason, else a line and the exit code."""
    write_json(target, facts)
    if facts["infeasible"]:
        raise ProvenInfeasible(f"no plan can exist: {facts['infeasible']}")
    console().print("no plan was found; none is proven to be impossible either")
    return _INTERRUPTED if interrupted else _NOTHING_FOUND


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["plan-cluster", *sys.argv[1:]]))
