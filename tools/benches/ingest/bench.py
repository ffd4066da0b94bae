"""`dynasplit bench ingest`: how many records a second ingest takes in, when a backlog arrives at once.

A real Mosquitto, devices in a process of their own, and SQLite in a temporary folder; PostgreSQL as DATABASE_URL says (an empty
database), or a server of its own where its programs are installed. Acknowledged means committed. All figures are measured.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.console import Console

from protocol.errors import InvalidInput
from tools.benches.circumstances import told
from tools.benches.databases import DATABASES, empty_database
from tools.benches.packages import needing_all
from tools.benches.parts import Part, measured
from tools.benches.tables import table_of, targets_table
from tools.output import add_json_argument, check_json_target, console

SUMMARY = "ingest: records a second into SQLite and PostgreSQL"

_RECORDS, _QUICK_RECORDS, _MOST_PROCESSES = 100_000, 10_000, 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--records", type=int, default=_RECORDS, metavar="N", help=f"the backlog (default {_RECORDS})")
    parser.add_argument(
        "--processes", type=int, default=1, metavar="N", help="ingest processes that share it (default 1)"
    )
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK_RECORDS} records: a look, no result")
    parser.add_argument("--database", choices=DATABASES, help="one of the two alone")
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    check_json_target(arguments.json)
    records = _QUICK_RECORDS if arguments.quick else arguments.records
    if records < 1000 or not 1 <= arguments.processes <= _MOST_PROCESSES:
        raise InvalidInput(f"--records must be 1000 or more, --processes 1 to {_MOST_PROCESSES}")
    measuring = _measuring()

    def measure(name: str) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder, empty_database(name) as url:
            found: dict[str, Any] = measuring.facts(url, Path(folder), records=records, processes=arguments.processes)
            return found

    names = [arguments.database] if arguments.database else DATABASES
    parts = [Part(name, partial(measure, name), partial(measuring.targets, name)) for name in names]
    facts = measured(arguments, parts, within="databases")
    _show(facts, console())
    return 0 if facts["met"] else 1


def _measuring() -> ModuleType:
    with needing_all("bench ingest starts the cloud's processes"):
        from tools.benches.ingest import measuring
    return measuring


def _show(facts: Mapping[str, Any], out: Console) -> None:
    headings = ("records", "in seconds", "a second", "CPU s per 1000", "peak MiB", "batches sent again")
    table = table_of("a backlog that arrives at once", "database", *headings)
    for name, found in facts["databases"].items():
        figures = ("records", "seconds", "records_per_s", "cpu_s_per_1000_records", "peak_rss_mib", "resent_batches")
        table.add_row(name, *(f"{found[figure]:g}" for figure in figures))
    out.print(table)
    out.print(targets_table(facts["targets"]))
    out.print(f"Measured on {told(facts)}")
