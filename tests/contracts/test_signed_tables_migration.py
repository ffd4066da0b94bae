"""Desired tables go into the room of signed tables and back, on every database."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import cloud
from cloud.store.sql import SqlStore
from protocol.configuration import Configuration
from protocol.link import REFERENCE_LINK
from protocol.signing import generate_private_key, sign
from protocol.table import Row, Table

ROW = Row(Configuration(3, 1_500_000), 4.5, 12.0, 2.5, 1000, 40, 1.5, 60.0, None, 0.98)
SIGNED = sign(Table("digits", "b" * 64, "pi-1", REFERENCE_LINK, (ROW,), 3), generate_private_key())
OLD = sa.table("desired", *(sa.column(name) for name in ("device", "network", "version", "digest", "published")),
               sa.column("content", sa.JSON))  # fmt: skip


@pytest.mark.exhaustive
def test_a_desired_table_outlives_the_fourth_migration_and_its_undoing(database):
    engine = sa.create_engine(database.replace("postgresql://", "postgresql+psycopg://"))
    migrate(engine, "0003")
    row = {"device": "pi-1", "network": "digits", "version": 3, "digest": SIGNED.table.digest, "published": True}
    with engine.begin() as connection:
        connection.execute(sa.insert(OLD).values(**row, content=SIGNED.to_json()))

    migrate(engine, "head")
    store = SqlStore(database)
    desired, history = store.desired("pi-1", "digits"), store.history("pi-1", "digits")
    store.close()
    migrate(engine, "0003")
    with engine.begin() as connection:
        back = connection.execute(sa.select(OLD)).one()
    engine.dispose()

    assert desired is not None
    assert (desired.signed, desired.published) == (SIGNED, True)
    assert [(each.digest, each.content_digest) for each in history] == [
        (SIGNED.table.digest, SIGNED.table.content_digest)
    ]
    assert (back.content, back.digest) == (SIGNED.to_json(), SIGNED.table.digest)


def migrate(engine: sa.Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(cloud.__file__).parent / "database" / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        (command.upgrade if revision == "head" else _to(connection, revision))(config, revision)


def _to(connection: sa.Connection, revision: str):
    known = sa.inspect(connection).has_table("signed_tables")
    return command.downgrade if known else command.upgrade
