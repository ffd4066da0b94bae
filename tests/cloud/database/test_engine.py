"""The database's engine and its line of migrations."""

from __future__ import annotations

from pathlib import Path

from alembic.script import ScriptDirectory

import cloud
from cloud.store.sql import SqlStore


def test_migrations_are_one_line_of_versions():
    scripts = ScriptDirectory(str(Path(cloud.__file__).parent / "database" / "migrations"))

    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1


def test_sqlite_is_in_wal_mode_and_safe_against_power_cuts(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path}/store.sqlite")

    with store._database.reading() as connection:
        pragmas = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    store.close()

    assert pragmas == ["wal", 2]
