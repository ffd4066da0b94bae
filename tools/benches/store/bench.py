"""`dynasplit bench store`: how long the store takes to answer a dashboard with ten million inferences in it.

SQLite in a temporary folder; PostgreSQL as DATABASE_URL says (an empty database), or a server of its own where its programs are
installed. All figures are measured, on this machine.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from protocol.errors import InvalidInput
from tools.benches.databases import DATABASES, empty_database
from tools.benches.figures import Target
from tools.benches.packages import needing_all
from tools.benches.parts import Part, measured
from tools.output import add_json_argument, check_json_target, console

SUMMARY = "the store: what a dashboard asks, with ten million inferences in it"

_ROWS, _QUICK_ROWS, _REPEATS = 10_000_000, 100_000, 15


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=_ROWS, metavar="N", help=f"inferences in it (default {_ROWS})")
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK_ROWS} rows: a look, no result")
    parser.add_argument("--database", choices=DATABASES, help="one of the two alone")
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    from tools.benches.store.summary import show

    check_json_target(arguments.json)
    count = _QUICK_ROWS if arguments.quick else arguments.rows
    if count < 1:
        raise InvalidInput(f"--rows must be 1 or more, not {count}")
    names = [arguments.database] if arguments.database else DATABASES
    parts = [Part(name, partial(_measure, name, count), partial(_targets, name)) for name in names]
    facts = measured(arguments, parts, within="databases", rows=count)
    show(facts, console())
    return 0 if facts["met"] else 1


def _measure(name: str, count: int) -> dict[str, Any]:
    with needing_all("bench store needs the backend's"):
        from cloud.store.sql import SqlStore
        from tools.benches.store import questions
        from tools.benches.store.rows import Rows
    rows = Rows(count)
    with empty_database(name) as url:
        rows.check_room(Path(tempfile.gettempdir()))
        store = SqlStore(url)
        try:
            store.ready()
            if store.count_inferences():
                raise InvalidInput("the database of DATABASE_URL holds inferences: give an empty one")
            started = time.monotonic()
            rows.insert(url)
            return {
                "fill_s": round(time.monotonic() - started, 1),
                "per_device_and_day": round(rows.per_device_and_day),
                **questions.facts(store, repeats=_REPEATS),
            }
        finally:
            store.close()


def _targets(name: str, found: Mapping[str, Any]) -> list[Target]:
    from tools.benches.store import questions

    return questions.targets(name, found)
