"""`dynasplit bench planner`: composing, suspects, searching and choosing, on the published trials and workloads.

The data is not part of DynaSplit: its authors publish it at github.com/hpc-tuwien/SPLINTER. Give the folder in which its
files lie in `dynasplit/`. What is replayed was measured by them; energies told apart between head and waiting are estimated.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

from protocol.errors import InvalidInput
from tools.benches.circumstances import circumstances
from tools.benches.figures import Target
from tools.benches.planner import composition, replaying, searching
from tools.benches.planner.summary import show
from tools.output import add_json_argument, check_json_target, console, write_json

SUMMARY = "composing, searching and choosing, on the published trials"

_SEEDS, _SEARCH_SEEDS, _QUICK_SEEDS = 20, 10, 2
_FOLDER = "dynasplit"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reference",
        type=Path,
        default=os.environ.get("DYNASPLIT_REFERENCE"),
        metavar="DIR",
        help="folder of the published data (default: DYNASPLIT_REFERENCE)",
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"{_QUICK_SEEDS} seeds instead of {_SEEDS}: a look, no result"
    )
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    started_s = time.monotonic()
    check_json_target(arguments.json)
    reference = _folder(arguments.reference)
    out = console()
    seeds, search_seeds = (_QUICK_SEEDS, _QUICK_SEEDS) if arguments.quick else (_SEEDS, _SEARCH_SEEDS)
    parts = (
        ("composition", composition.facts, composition.targets),
        ("searching", lambda folder: searching.facts(folder, search_seeds), searching.targets),
        ("replaying", lambda folder: replaying.facts(folder, seeds), replaying.targets),
    )
    facts: dict[str, Any] = circumstances() | {"quick": arguments.quick}
    targets: list[Target] = []
    for done, (name, measure, held_to) in enumerate(parts, start=1):
        out.print(f"measuring {name} …")
        facts[name] = measure(reference)
        targets += held_to(facts[name])
        facts |= {"targets": [target.to_json() for target in targets], "met": all(target.met for target in targets)}
        facts |= {"seconds": round(time.monotonic() - started_s, 1), "complete": done == len(parts)}
        if arguments.json != "-" or facts["complete"]:
            write_json(arguments.json, facts)
    show(facts, out)
    return 0 if facts["met"] else 1


def _folder(given: Path | str | None) -> Path:
    if not given:
        raise InvalidInput(
            "give the folder of the published data with --reference or DYNASPLIT_REFERENCE; "
            "its authors publish it at github.com/hpc-tuwien/SPLINTER"
        )
    if not (Path(given) / _FOLDER).is_dir():
        raise InvalidInput(f"--reference {given} holds no folder '{_FOLDER}' with the published trials")
    return Path(given)
