"""Makes a table from measurements: composes the cost of every configuration, and keeps those that are worth using.

The measurements come from a file (JSON lines as `dynasplit profile -o` writes them, or the published CSV format), from a
database or from a backend. With a budget, the chosen method picks what to look up in them; with --bundle-folder it
measures on the device through its agent instead. The table is a draft until `dynasplit push` signs it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

if not __package__:  # run by path: the project's folder takes the place of this one
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from planner.farthest import naming_the_farthest
from planner.findings import Findings, Wanted, check_account, corner, facts_of, findings, suspect_facts
from planner.searching.campaign import asks_of, budget_from
from protocol.configuration import Account
from protocol.errors import InvalidInput
from protocol.measurement import Measurement
from tools.measurements.sources import is_sqlite, read
from tools.optimizing.printing import note, show, steps
from tools.optimizing.searches import METHODS, Order, Outcome, method_named, search, standing
from tools.optimizing.worlds import World, recorded_world
from tools.output import add_json_argument, check_json_target, check_target, write_json, write_text
from tools.tokens import add_agent_token, add_backend_token

SUMMARY = "make a table from measurements, or measure what it needs"

_METRIC = "top1"
_WHOLE = "100%"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _add_sources(parser)
    _add_search(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="TABLE.json", help="where the table goes")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg|png|html", help="draw the configurations and the front")
    parser.add_argument(
        "--accuracy",
        type=Path,
        metavar="BUNDLE|FILE",
        help="fill in what dynasplit evaluate found, where it is unknown",
    )
    parser.add_argument("--metric", help=f"the metric of that accuracy (default: {_METRIC})")
    parser.add_argument(
        "--account",
        choices=[account.value for account in Account],
        default=Account.EDGE_NODE.value,
        help="whose energy counts in the front that is shown; the table serves all accounts (default: %(default)s)",
    )
    parser.add_argument(
        "--partial", action="store_true", help="leave out what the measurements do not cover, instead of refusing"
    )
    parser.add_argument("--skip-bad", action="store_true", help="leave out measurements that cannot be, and count them")
    parser.add_argument("--trust-all", action="store_true", help="use measurements that contradict the rest as well")
    add_json_argument(parser)


def _add_sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--measurements", metavar="FILE|URL", help="JSON lines, published CSV, a database's URL, or a backend's address"
    )
    parser.add_argument("--network", default="", help="needed where the measurements are of several")
    parser.add_argument("--bundle", default="", metavar="DIGEST", help="needed where the measurements are of several")
    parser.add_argument("--device", default="", help="needed where the measurements are of several")
    parser.add_argument("--run", dest="tag", default="", metavar="TAG", help="only measurements with this tag")
    add_backend_token(parser)
    add_agent_token(parser, "--agent-token")
    parser.add_argument(
        "--bundle-folder", type=Path, metavar="BUNDLE", help="measure this bundle on the device, instead of looking up"
    )
    parser.add_argument("--agent", metavar="URL", help="the device's agent, to measure there")
    parser.add_argument("--backend", metavar="URL", help="the backend, which serves the tails")
    parser.add_argument(
        "--keep", type=Path, metavar="FILE.jsonl", help="keep what is measured; go on with what is there"
    )
    parser.add_argument("--samples", type=Path, metavar="NPZ", help="inputs to run ('images'); random ones by default")
    parser.add_argument("--codecs", help="wire codecs to measure (default: those of dynasplit profile)")
    parser.add_argument("--repeats", type=int, metavar="N", help="requests per configuration (default: 5)")


def _add_search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--method", choices=METHODS, default=METHODS[0], help="what chooses what to measure (default: %(default)s)"
    )
    parser.add_argument(
        "--budget", metavar="SHARE|COUNT", help="how much to measure: 0.1 or 10%% of the space, or 50 configurations"
    )
    parser.add_argument("--seed", type=int, default=0, help="of whatever is left to chance (default: %(default)s)")
    parser.add_argument(
        "--storage", default="", metavar="URL", help="a database in which several workers share a search"
    )


def run(arguments: argparse.Namespace) -> int:
    started_s = time.perf_counter()
    _check(arguments)
    account, known_accuracy = Account(arguments.account), _accuracies(arguments)
    if arguments.bundle_folder:
        from tools.optimizing.live import device_world

        world = device_world(arguments)
    else:
        world = _recorded(arguments)
    check_account(world.there, account)
    with naming_the_farthest(world.there, _places(world, world.there)):
        outcome = _searched(arguments, world, account)
    measurements = [known_accuracy(item) for item in outcome.measurements]
    with naming_the_farthest(measurements, _places(world, measurements)):
        found = findings(measurements, world.space, _wanted(arguments, world, account))
        facts = _facts(arguments, world, outcome, found) | {"seconds": time.perf_counter() - started_s}
    if arguments.output:
        write_text(arguments.output, json.dumps(found.table.to_json(), indent=2) + "\n")
    if arguments.plot:
        from tools.plots.front import draw_front

        draw_front(found, facts, arguments.plot)
    show(facts, arguments.output)
    write_json(arguments.json, facts)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """InvalidInput for options that contradict each other, and for files that could not be written: before any work."""
    if arguments.metric is not None and not arguments.accuracy:
        raise InvalidInput("--metric is of an accuracy; add --accuracy BUNDLE|FILE or leave it out")
    if bool(arguments.measurements) == bool(arguments.bundle_folder):
        raise InvalidInput("give either --measurements, or --bundle-folder to measure on the device")
    if arguments.bundle_folder and not (arguments.agent and arguments.backend):
        raise InvalidInput("--bundle-folder measures on the device: give its --agent URL and the --backend URL as well")
    if not arguments.bundle_folder:
        live = ("agent", "backend", "keep", "samples", "codecs", "repeats")
        if given := [name for name in live if getattr(arguments, name) is not None]:
            raise InvalidInput(f"--{given[0]} is for measuring on the device; add --bundle-folder or leave it out")
    if arguments.storage:
        _check_storage(arguments)
    if arguments.budget is not None or arguments.bundle_folder:
        budget_from(_WHOLE if arguments.budget is None else arguments.budget)
        method_named(arguments.method)
    if arguments.seed < 0:
        raise InvalidInput(f"--seed must be 0 or more, not {arguments.seed}")
    check_json_target(arguments.json)
    if arguments.output:
        check_target(arguments.output)
    if arguments.plot:
        from tools.plots.front import check_front_target

        check_front_target(arguments.plot)


def _check_storage(arguments: argparse.Namespace) -> None:
    if arguments.budget is None:
        raise InvalidInput("--storage shares a search within a budget; add --budget")
    path = Path(arguments.storage.removeprefix("sqlite:///"))
    if path.is_file() and path.stat().st_size and not is_sqlite(path):
        raise InvalidInput(f"--storage {arguments.storage:.200}: that file is no database; name another one")


def _recorded(arguments: argparse.Namespace) -> World:
    filters = {name: getattr(arguments, name) for name in ("network", "bundle", "device")} | {"run": arguments.tag}
    recorded = read(arguments.measurements, filters, token=arguments.token, skip_bad=arguments.skip_bad)
    return recorded_world(recorded, seed=arguments.seed)


def _accuracies(arguments: argparse.Namespace) -> Callable[[Measurement], Measurement]:
    """Fills in what is known of the bundle's accuracy, where a measurement does not know its own."""
    if not arguments.accuracy:
        return lambda measurement: measurement
    from models.accuracy.evaluation import read_record

    return read_record(arguments.accuracy).accuracies(arguments.metric or _METRIC).applied_to


def _searched(arguments: argparse.Namespace, world: World, account: Account) -> Outcome:
    """What the method measures within the budget; all that is recorded where there is none."""
    if not arguments.budget and not world.live:
        if arguments.method not in METHODS[:2]:
            note(f"without --budget {arguments.method} has nothing to choose: all that was recorded is used")
        return Outcome(world.there, asked=0, budget=0)
    order = Order(
        method=arguments.method,
        budget=budget_from(arguments.budget or _WHOLE),
        account=account,
        seed=arguments.seed,
        storage=arguments.storage,
    )
    with steps(f"searching with {order.method}", asks_of(order.budget, world.space)) as step:
        told = standing(world, account)
        return search(world, order, watched=lambda campaign: step(told(campaign)))


def _places(world: World, measurements: Sequence[Measurement]) -> list[str]:
    """Where each stands; its configuration, where it was measured just now."""
    return [world.place_of(item) or str(item.configuration) for item in measurements]


def _wanted(arguments: argparse.Namespace, world: World, account: Account) -> Wanted:
    return Wanted(
        account,
        composed=arguments.method == METHODS[0],
        partial=arguments.partial or world.sampled or bool(arguments.budget),
        trust_all=arguments.trust_all,
    )


def _facts(arguments: argparse.Namespace, world: World, outcome: Outcome, found: Findings) -> dict[str, Any]:
    pool = found.measurements if world.live else [item for item in world.there if not item.throttled]
    return facts_of(found, corner(found, pool)) | {
        "measured_soundly": len(found.measured),
        "method": arguments.method,
        "budget": outcome.budget or None,
        "asked": outcome.asked or None,
        "seed": arguments.seed,
        "skipped": len(world.skipped),
        "trust_all": arguments.trust_all,
        "suspects": [
            suspect_facts(suspect, item, where=world.place_of(item))
            for suspect in found.suspects
            for item in [found.measurements[suspect.measurement_index]]
        ],
    }


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["optimize", *sys.argv[1:]]))
