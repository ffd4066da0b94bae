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

from protocol.errors import ServiceMissing
from tools.benches.parts import Part, measured
from tools.benches.tables import table_of, targets_table
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
    """ServiceMissing without the backend's packages, for which the other benches have no use."""
    try:
        from tools.benches.cloud import serving
    except ModuleNotFoundError as missing:
        raise ServiceMissing(
            f"package '{missing.name}' is missing: bench cloud starts the backend; install it: "
            "pip install -c constraints.txt '.[demo]'"
        ) from missing
    return serving


def _show(facts: Mapping[str, Any], out: Console) -> None:
    found = facts["serving"]
    table = table_of(
        f"a tail of {found['tail_macs'] / 1e6:.0f} million MACs, {found['boundary_bytes']} bytes", *_COLUMNS
    )
    for name, (key, digits) in _ROWS.items():
        figures = found[key]
        table.add_row(
            name, f"{figures['median']:.{digits}f}", f"{figures['lower']:.{digits}f}-{figures['upper']:.{digits}f}"
        )
    out.print(table)
    heavy = found["heavy"]
    out.print(
        f"A tail of {heavy['tail_macs'] / 1e6:.0f} million MACs with the same boundary: "
        f"{heavy['request_cpu_ms']['median']:.1f} ms of CPU a request, {heavy['share']['median']:.3f} of the loops' "
        f"({heavy['share']['lower']:.3f}-{heavy['share']['upper']:.3f})."
    )
    crowd = found["crowd"]
    out.print(
        f"{crowd['clients']} clients: {crowd['served']} served, {crowd['refused']} asked to come again, {crowd['errors']} errors."
    )
    out.print(targets_table(facts["targets"]))
    out.print(
        f"Measured on {facts['cpu']} ({facts['cores']} cores, load {facts['load']}); {facts['seconds']:.0f} s in all."
    )


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
