"""`dynasplit bench planner`: composing, suspects, searching and choosing, on the published trials and workloads.

The data is not part of DynaSplit: its authors publish it at github.com/hpc-tuwien/SPLINTER. Give the folder in which its
files lie in `dynasplit/`. What is replayed was measured by them; energies told apart between head and waiting are estimated.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from protocol.errors import InvalidInput
from tools.benches.parts import Part, measured
from tools.benches.planner import composition, replaying, searching
from tools.benches.planner.summary import show
from tools.benches.reference import add_reference_argument, reference_of
from tools.output import add_json_argument, check_json_target, console

SUMMARY = "composing, searching and choosing, on the published trials"

_SEEDS, _SEARCH_SEEDS, _QUICK_SEEDS = 20, 10, 2
_FOLDER = "dynasplit"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_reference_argument(parser)
    parser.add_argument(
        "--quick", action="store_true", help=f"{_QUICK_SEEDS} seeds instead of {_SEEDS}: a look, no result"
    )
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    check_json_target(arguments.json)
    reference = _folder(arguments)
    seeds, search_seeds = (_QUICK_SEEDS, _QUICK_SEEDS) if arguments.quick else (_SEEDS, _SEARCH_SEEDS)
    parts = (
        Part("composition", lambda: composition.facts(reference), composition.targets),
        Part("searching", lambda: searching.facts(reference, search_seeds), searching.targets),
        Part("replaying", lambda: replaying.facts(reference, seeds), replaying.targets),
    )
    facts = measured(arguments, parts)
    show(facts, console())
    return 0 if facts["met"] else 1


def _folder(arguments: argparse.Namespace) -> Path:
    reference = reference_of(arguments, source="its authors publish it at github.com/hpc-tuwien/SPLINTER")
    if not (reference / _FOLDER).is_dir():
        raise InvalidInput(f"--reference {reference} holds no folder '{_FOLDER}' with the published trials")
    return reference
