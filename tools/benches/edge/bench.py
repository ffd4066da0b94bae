"""`dynasplit bench edge`: what the agent adds to a request, how regularly power is sampled, and what an idle agent takes.

Everything runs on this machine: an emulated Raspberry Pi 4 and a file tree in place of a device, backend and broker beside the
agent. Times and memory are measured, and are those of this machine.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from tools.benches.edge import idle, sampling
from tools.benches.edge.summary import show
from tools.benches.packages import needing_all
from tools.benches.parts import Part, measured
from tools.output import add_json_argument, check_json_target, console

SUMMARY = "the agent: its overhead, its power sampler, and what it takes while idle"


@dataclass(frozen=True)
class Effort:
    """How long, or how often, each part measures."""

    sampling_s: float = 60.0
    idle_s: float = 60.0
    requests: int = 300
    decisions: int = 2000


QUICK = Effort(sampling_s=4.0, idle_s=3.0, requests=40, decisions=200)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--quick", action="store_true", help="a few seconds and requests for each part: a look, no result"
    )
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    check_json_target(arguments.json)
    overhead = _overhead()
    with tempfile.TemporaryDirectory() as folder:
        facts = measured(arguments, _parts(QUICK if arguments.quick else Effort(), Path(folder), overhead))
    show(facts, console())
    return 0 if facts["met"] else 1


def _overhead() -> ModuleType:
    """Brings agent, backend and broker with it."""
    with needing_all("bench edge starts agent, backend and broker"):
        from tools.benches.edge import overhead
    return overhead


def _parts(effort: Effort, folder: Path, overhead: ModuleType) -> Sequence[Part]:
    """The idle agent first: what the others start and load is then not in this process's pages, which its own share."""
    return (
        Part("idle", lambda: idle.facts(seconds=effort.idle_s), idle.targets),
        Part(
            "overhead",
            lambda: overhead.facts(folder, requests=effort.requests, decisions=effort.decisions),
            overhead.targets,
        ),
        Part("sampling", lambda: sampling.facts(seconds=effort.sampling_s), sampling.targets),
    )
