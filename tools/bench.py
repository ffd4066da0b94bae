"""Measure DynaSplit on this machine: each figure with its spread and its target, measured in processes of their own.

Exit codes: 0 all targets are met, 1 one is missed, 2 bad input.
"""

from __future__ import annotations

import argparse
import sys

from tools.benches import models
from tools.benches.cloud import bench as cloud
from tools.benches.cluster import bench as cluster
from tools.benches.edge import bench as edge
from tools.benches.ingest import bench as ingest
from tools.benches.planner import bench as planner
from tools.benches.store import bench as store

SUMMARY = "measure what DynaSplit costs on this machine, against its targets"

SUBJECTS = {
    "models": models,
    "planner": planner,
    "cluster": cluster,
    "edge": edge,
    "cloud": cloud,
    "store": store,
    "ingest": ingest,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    subjects = parser.add_subparsers(dest="subject", required=True, metavar="SUBJECT")
    for name, module in SUBJECTS.items():
        module.add_arguments(subjects.add_parser(name, help=module.SUMMARY, description=module.__doc__))


def run(arguments: argparse.Namespace) -> int:
    code: int = SUBJECTS[arguments.subject].run(arguments)
    return code


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["bench", *sys.argv[1:]]))
