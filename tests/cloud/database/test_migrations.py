"""The migrations make what the schema says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import cloud
from cloud.database.schema import metadata
from cloud.store.sql import SqlStore


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
    scripts = ScriptDirectory(str(Path(cloud.__file__).parent / "database" / "migrations"))

    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1


def test_sqlite_is_in_wal_mode_and_safe_against_power_cuts(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path}/store.sqlite")

    with store._database.reading() as connection:
        pragmas = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    store.close()

    assert pragmas == ["wal", 2]


def test_what_was_kept_outlives_the_second_migration_and_its_undoing(tmp_path):
    engine = sa.create_engine(f"sqlite:///{tmp_path}/store.sqlite")
    with engine.begin() as connection:
        migrate(connection, command.upgrade, "0001")
        connection.execute(sa.text("INSERT INTO presence VALUES ('pi-1', true, 5.0), ('pi-2', false, NULL)"))
        migrate(connection, command.upgrade, "head")
        words = connection.execute(
            sa.text("SELECT device, availability, last_seen FROM presence ORDER BY device")
        ).all()
        migrate(connection, command.downgrade, "0001")
        flags = connection.execute(sa.text("SELECT device, online, last_seen FROM presence ORDER BY device")).all()
    engine.dispose()

    assert words == [("pi-1", "online", 5.0), ("pi-2", "offline", None)]
    assert flags == [("pi-1", 1, 5.0), ("pi-2", 0, None)]


def migrate(connection: sa.Connection, action: Callable[[Config, str], None], revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(cloud.__file__).parent / "database" / "migrations"))
    config.attributes["connection"] = connection
    action(config, revision)
