"""Replays recorded trials: what would each strategy have cost on a workload, and how often would it have been late?

The outcome of every request is drawn from the recorded trials of the configuration that was chosen for it.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from planner.averages import median_link, rows_by_configuration
from planner.pricing import Floats
from planner.recording import ORIGIN, Recorded
from planner.searching.campaign import Aim, budget_from
from planner.searching.composing import compose
from planner.simulation.contest import STRATEGIES, Contest
from planner.simulation.knowledge import Knowledge, of_all, of_campaign
from planner.simulation.replay import Recording, Residuals, World
from planner.simulation.scenario import Scenario
from planner.simulation.served import Served, Workload
from planner.suspects.sifting import Sifted
from protocol.configuration import Account
from protocol.documents import parse_object
from protocol.errors import InvalidInput
from tools.measurements.published import read_deadlines
from tools.measurements.sources import read
from tools.output import add_json_argument, check_json_target, read_text, write_json
from tools.progress import progress
from tools.simulated import facts_of, show
from tools.tokens import add_backend_token
from tools.workload import draw_deadlines

SUMMARY = "replay recorded trials: what each strategy would have cost on a workload"

RECORDED, RESIDUALS = OUTCOMES = ("recorded", "residuals")
_MOST_REQUESTS = 100_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _add_sources(parser)
    parser.add_argument("--workload", type=Path, metavar="CSV", help="deadlines as published: Index, Network, Latency")
    parser.add_argument("--requests", type=int, metavar="N", help="draw so many deadlines instead (Weibull, shape 1)")
    parser.add_argument(
        "--strategy", default="all", metavar="A,B", help=f"of {', '.join(STRATEGIES)} (default: %(default)s)"
    )
    parser.add_argument(
        "--budget", metavar="SHARE|COUNT", help="let dynasplit know only what it measures of the space: 0.1, 10%% or 50"
    )
    parser.add_argument(
        "--outcomes",
        choices=OUTCOMES,
        default=RECORDED,
        help="the trials as they are, or medians that scatter as often repeated trials do (default: %(default)s)",
    )
    parser.add_argument("--scenario", type=Path, metavar="FILE", help="link changes, outages, bursts: TOML or JSON")
    parser.add_argument(
        "--account",
        choices=[account.value for account in Account],
        default=Account.EDGE_NODE.value,
        help="whose energy is to be low (default: %(default)s)",
    )
    parser.add_argument(
        "--violation-rate", type=float, metavar="SHARE", help="the share of late requests that dynasplit aims at"
    )
    parser.add_argument(
        "--no-tries",
        dest="tries",
        action="store_false",
        help="dynasplit tries no row for being little known: what it expects alone counts",
    )
    parser.add_argument("--seed", type=int, default=0, help="of whatever is left to chance (default: %(default)s)")
    add_json_argument(parser)


def _add_sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--measurements",
        required=True,
        metavar="FILE|URL",
        help="recorded trials: JSON lines, published CSV, a database's URL, or a backend's address",
    )
    parser.add_argument("--network", default="", help="needed where the measurements are of several")
    parser.add_argument("--bundle", default="", metavar="DIGEST", help="needed where the measurements are of several")
    parser.add_argument("--device", default="", help="needed where the measurements are of several")
    parser.add_argument("--run", dest="tag", default="", metavar="TAG", help="only measurements with this tag")
    add_backend_token(parser)
    parser.add_argument("--skip-bad", action="store_true", help="leave out measurements that cannot be, and count them")
    parser.add_argument("--trust-all", action="store_true", help="learn from trials that contradict the rest as well")


def run(arguments: argparse.Namespace) -> int:
    strategies = _strategies(arguments.strategy)
    _check(arguments)
    scenario = read_scenario(arguments.scenario) if arguments.scenario else Scenario()
    filters = {name: getattr(arguments, name) for name in ORIGIN} | {"run": arguments.tag}
    recorded = read(arguments.measurements, filters, token=arguments.token, skip_bad=arguments.skip_bad)
    known = _known(arguments, recorded)
    contest = _contest(arguments, recorded, known)
    workload = Workload.of(_deadlines_ms(arguments, recorded, contest), np.random.default_rng([arguments.seed, 2]))
    served = _served(contest, workload, strategies, scenario)
    facts = facts_of(contest, workload, served, replayed=_replayed(arguments)) | _circumstances(
        arguments, recorded, known
    )
    show(facts)
    write_json(arguments.json, facts)
    return 0


def read_scenario(path: Path) -> Scenario:
    """A scenario from a file, TOML or JSON by its content; InvalidInput that names the file and the entry."""
    text = read_text(path, what="scenario")
    return Scenario.from_json(_document(text, what=str(path)), what=str(path))


def _document(text: str, *, what: str) -> Mapping[str, Any]:
    if text.lstrip().startswith("{"):
        return parse_object(text, what=what)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{what} is not valid TOML (nor JSON, which begins with {{): {error}") from error


def _check(arguments: argparse.Namespace) -> None:
    """InvalidInput for what can be told before any work."""
    check_json_target(arguments.json)
    if bool(arguments.workload) == (arguments.requests is not None):
        raise InvalidInput("give either --workload CSV, or --requests N to draw deadlines")
    if arguments.requests is not None and not 1 <= arguments.requests <= _MOST_REQUESTS:
        raise InvalidInput(f"--requests must lie between 1 and {_MOST_REQUESTS}, not {arguments.requests}")
    if arguments.seed < 0:
        raise InvalidInput(f"--seed must be 0 or more, not {arguments.seed}")


def _strategies(text: str) -> tuple[str, ...]:
    if text == "all":
        return STRATEGIES
    asked = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if unknown := [name for name in asked if name not in STRATEGIES]:
        raise InvalidInput(f"--strategy must be all, or some of {', '.join(STRATEGIES)}, not {unknown[0]!r:.40}")
    return asked


def _known(arguments: argparse.Namespace, recorded: Recorded) -> Knowledge:
    """What `dynasplit` knows: all trials, or what it would have measured within the budget."""
    if not arguments.budget:
        return of_all(recorded.measurements, recorded.space, trust_all=arguments.trust_all)
    return of_campaign(
        recorded.measurements,
        recorded.space,
        compose,
        budget=budget_from(arguments.budget),
        aim=Aim(Account(arguments.account), seed=arguments.seed),
        trust_all=arguments.trust_all,
    )


def _contest(arguments: argparse.Namespace, recorded: Recorded, known: Knowledge) -> Contest:
    recording = Recording.of(recorded.measurements)
    contest = Contest(
        recording=recording,
        world=_world(arguments, recorded, recording),
        table=known.rows,
        recorded=list(rows_by_configuration(recorded.measurements).values()),
        link=median_link(recorded.measurements),
        account=Account(arguments.account),
        tries=arguments.tries,
    )
    return contest if arguments.violation_rate is None else replace(contest, violation_rate=arguments.violation_rate)


def _world(arguments: argparse.Namespace, recorded: Recorded, recording: Recording) -> World:
    if arguments.outcomes == RECORDED:
        return recording
    happened = Sifted.of(recorded.measurements, trust_all=arguments.trust_all).happened
    return Residuals.of(recording, donors=Recording.of(happened))


def _deadlines_ms(arguments: argparse.Namespace, recorded: Recorded, contest: Contest) -> Floats:
    if arguments.workload:
        return read_deadlines(arguments.workload, recorded.measurements[0].network)
    slowest, fastest = contest.recording.median_ms.max(), contest.recording.median_ms.min()
    return draw_deadlines(arguments.requests, fastest_ms=float(fastest), slowest_ms=float(slowest), seed=arguments.seed)


def _served(contest: Contest, workload: Workload, strategies: Sequence[str], scenario: Scenario) -> dict[str, Served]:
    served = {}
    with progress(f"serving {len(workload.deadlines_ms):,} requests by each strategy", len(strategies)) as step:
        for name in strategies:
            served[name] = contest.serve(name, workload, scenario)
            step()
    return served


def _replayed(arguments: argparse.Namespace) -> bool:
    """Whether every outcome is a trial as it was recorded, changed by nothing."""
    return arguments.outcomes == RECORDED and not arguments.scenario


def _circumstances(arguments: argparse.Namespace, recorded: Recorded, known: Knowledge) -> dict[str, Any]:
    first = recorded.measurements[0]
    return {
        **{name: getattr(first, name) for name in ORIGIN},
        "seed": arguments.seed,
        "tries": arguments.tries,
        "outcomes": arguments.outcomes,
        "scenario": str(arguments.scenario) if arguments.scenario else None,
        "budget": arguments.budget,
        "space": recorded.space.size,
        "asked": known.asked,
        "measured": known.measured,
        "suspects": known.suspects,
        "trials": len(recorded.measurements),
        "skipped": len(recorded.skipped),
    }


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["simulate", *sys.argv[1:]]))
