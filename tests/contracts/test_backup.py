"""The guide's commands for backup and restore, run as they stand there."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import cloud
from cloud.store.records.port import Arrival, Selection
from cloud.store.sql import SqlStore
from protocol.configuration import Provenance
from protocol.samples import Sample

GUIDE = Path(cloud.__file__).parents[1] / "docs" / "guide" / "cloud.md"


def commands(title: str) -> str:
    """The indented lines below a mark of the guide."""
    lines = GUIDE.read_text().partition(f"<!-- {title} -->\n")[2].splitlines()
    count = next(number for number, line in enumerate(lines) if not line.startswith("    "))
    assert count
    return "\n".join(lines[:count])


def run(title: str, **environment: str) -> None:
    script = f"set -e\n{commands(title)}"
    subprocess.run(["bash", "-c", script], env=os.environ | environment, check=True, capture_output=True, timeout=60)


def sampled(sequence: int) -> Arrival:
    content = Sample(1.0, True, 60.0, 3.0, 5.0, 180_000.0, Provenance.MEASURED, None, None, False)
    return Arrival("pi-1", "boot-1", sequence, 100.0, content.to_json(), content)


def sequences(store: SqlStore) -> list[int]:
    return sorted(kept.sequence for kept in store.samples(Selection()))


def test_sqlite_comes_back_as_it_was_backed_up_while_in_use(tmp_path):
    if not shutil.which("sqlite3"):
        pytest.skip("no sqlite3 here: apt-get install sqlite3")
    places = {"DYNASPLIT_DATA_DIR": str(tmp_path), "BACKUP": str(tmp_path / "backup")}
    (tmp_path / "backup").mkdir()
    url = f"sqlite:///{tmp_path}/dynasplit.sqlite"
    store = SqlStore(url)
    store.write([sampled(1), sampled(2)])

    run("backup of SQLite", **places)
    store.write([sampled(3)])
    store.close()
    run("restore of SQLite", **places)

    restored = SqlStore(url)
    assert sequences(restored) == [1, 2]
    restored.write([sampled(4)])
    assert sequences(restored) == [1, 2, 4]
    restored.close()


@pytest.mark.postgresql
def test_postgresql_comes_back_as_it_was_backed_up_while_in_use(tmp_path, postgresql):
    if not shutil.which("pg_dump"):
        pytest.skip("no pg_dump here: apt-get install postgresql-client")
    url = postgresql()
    places = {"DATABASE_URL": url, "BACKUP": str(tmp_path)}
    store = SqlStore(url)
    store.write([sampled(1), sampled(2)])

    run("backup of PostgreSQL", **places)
    store.write([sampled(3)])
    store.close()
    run("restore of PostgreSQL", **places)

    restored = SqlStore(url)
    assert sequences(restored) == [1, 2]
    restored.write([sampled(4)])
    assert sequences(restored) == [1, 2, 4]
    restored.close()
