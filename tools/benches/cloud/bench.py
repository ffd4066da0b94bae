"""`dynasplit bench cloud`: what the backend adds to a tail, in CPU and in time, and how it bears many clients at once.

Everything runs on this machine: gunicorn with as many workers as cores, clients on loopback, and the same tail in a bare loop.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.console import Console

from tools.benches.circumstances import told
from tools.benches.packages import needing_all
from tools.benches.parts import Part, measured
from tools.benches.tables import middle_cells, table_of, targets_table
from tools.output import add_json_argument, check_json_target, console

SUMMARY = "the backend: its share beside a bare loop, its overhead, and many clients at once"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="a few seconds for each part: a look, no result")
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    check_json_target(arguments.json)
    serving = _serving()
    effort = serving.QUICK if arguments.quick else serving.Effort()
    with tempfile.TemporaryDirectory() as folder:
        facts = measured(arguments, [Part("serving", lambda: serving.facts(Path(folder), effort), serving.targets)])
    _show(facts, console())
    return 0 if facts["met"] else 1


def _serving() -> ModuleType:
    with needing_all("bench cloud starts the backend"):
        from tools.benches.cloud import serving
    return serving


def _show(facts: Mapping[str, Any], out: Console) -> None:
    found = facts["serving"]
    table = table_of(
        f"a tail of {found['tail_macs'] / 1e6:.0f} million MACs, {found['boundary_bytes']} bytes", *_COLUMNS
    )
    for name, (key, digits) in _ROWS.items():
        table.add_row(name, *middle_cells(found[key], digits))
    out.print(table)
    heavy = found["heavy"]
    share, quartiles = middle_cells(heavy["share"], 3)
    out.print(
        f"A tail of {heavy['tail_macs'] / 1e6:.0f} million MACs with the same boundary: "
        f"{heavy['request_cpu_ms']['median']:.1f} ms of CPU a request, {share} of the loops' ({quartiles})."
    )
    crowd = found["crowd"]
    out.print(
        f"{crowd['clients']} clients: {crowd['served']} served, {crowd['refused']} asked to come again, {crowd['errors']} errors."
    )
    out.print(targets_table(facts["targets"]))
    out.print(f"Measured on {told(facts)}")


_COLUMNS = ("figure", "median", "quartiles")
_ROWS = {
    "the tail in a bare loop, ms": ("tail_ms", 2),
    "one client, ms": ("request_ms", 2),
    "beside the tail, ms": ("overhead_ms", 2),
    "the same of a server that only takes, runs and sends, ms": ("least_overhead_ms", 2),
    "of it loopback, ms": ("loopback_ms", 2),
    "CPU of as many bare loops as workers, ms a tail": ("bare_cpu_ms", 2),
    "of one alone on the machine": ("bare_alone_cpu_ms", 2),
    "CPU of the workers, ms a request": ("request_cpu_ms", 2),
    "share of the loops'": ("share", 3),
    "share of the one alone": ("share_of_one_alone", 3),
}
