"""The migrations make what the schema says."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import cloud
from cloud.schema import metadata
from cloud.sql_store import SqlStore


def test_a_migrated_database_is_what_the_schema_says(tmp_path):
    url = f"sqlite:///{tmp_path}/store.sqlite"
    store = SqlStore(url)
    store.ready()
    store.close()

    engine = sa.create_engine(url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()

    assert differences == []


def test_migrations_are_one_line_of_versions():
    scripts = ScriptDirectory(str(Path(cloud.__file__).parent / "migrations"))

    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1


def test_sqlite_is_in_wal_mode_and_safe_against_power_cuts(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path}/store.sqlite")

    with store._database.reading() as connection:
        pragmas = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    store.close()

    assert pragmas == ["wal", 2]
