"""Every migration, up and down, with rows in all tables, on every database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import cloud
from cloud.database.engine import Database
from cloud.database.schema import metadata
from cloud.store.records.port import Arrival, Selection
from cloud.store.sql import SqlStore
from cloud.store.upkeep.minutes import minute_of
from protocol.configuration import Configuration, Provenance
from protocol.errors import Conflict
from protocol.link import REFERENCE_LINK
from protocol.samples import Sample
from protocol.table import Row, Table

SCRIPTS = Path(cloud.__file__).parent / "database" / "migrations"
REVISIONS = [script.revision for script in reversed(list(ScriptDirectory(str(SCRIPTS)).walk_revisions()))]
FIGURES = {"head_mj": 12.0, "wait_mj": 3.0, "cloud_node_mj": 60.0}
BEFORE_LETTERS = "0004"
TABLE = {"bundle": "b", "rows": []}
KINDS = {"head_mj": "measured", "wait_mj": "estimated", "cloud_node_mj": "estimated"}


@pytest.fixture
def connection(database) -> Iterator[sa.Connection]:
    engine = Database(database)._engine
    with engine.begin() as opened:
        yield opened
    engine.dispose()


def migrate(connection: sa.Connection, action: Callable[[Config, str], None], revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["connection"] = connection
    action(config, revision)


def tables(connection: sa.Connection) -> dict[str, sa.Table]:
    found = sa.MetaData()
    found.reflect(connection)
    return {name: table for name, table in found.tables.items() if name != "alembic_version"}


def a_value(column: sa.Column[Any], number: int) -> Any:
    match column.type:
        case sa.Boolean():
            return True
        case sa.JSON() if column.name == "sources":
            return [["boot", number]]
        case sa.JSON():
            return {"cost": {**FIGURES, "provenance": KINDS}, "number": number, "odd": "a\0b", "table": TABLE, **TABLE}
        case sa.String(length=length) if length and length < 64:
            return "online"
        case sa.String():
            return f"{column.name}-{number}"
        case _:
            return number


def fill(connection: sa.Connection) -> dict[str, int]:
    """Two rows in each table that is empty; how many rows each holds then."""
    for table in tables(connection).values():
        if not connection.scalar(sa.select(sa.func.count()).select_from(table)):
            rows = [{column.name: a_value(column, number) for column in table.columns} for number in (1, 2)]
            connection.execute(sa.insert(table), rows)
    return counts(connection)


def counts(connection: sa.Connection) -> dict[str, int]:
    found = tables(connection).items()
    return {name: connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for name, table in found}


def drop_minutes(connection: sa.Connection) -> None:
    """What keeps a schema from going back before it had them."""
    connection.execute(sa.text("DELETE FROM sample_minutes"))


@pytest.mark.exhaustive(sample=1)
@pytest.mark.parametrize("place", range(1, len(REVISIONS)), ids=lambda place: REVISIONS[place])
def test_a_step_keeps_the_rows_of_the_tables_that_stay_up_and_down(connection, place):
    below, above = REVISIONS[place - 1], REVISIONS[place]
    migrate(connection, command.upgrade, below)
    before = fill(connection)

    migrate(connection, command.upgrade, above)
    after = counts(connection)
    fill(connection)
    if below == BEFORE_LETTERS:
        drop_minutes(connection)
    migrate(connection, command.downgrade, below)
    again = counts(connection)
    migrate(connection, command.upgrade, above)

    assert {name: count for name, count in after.items() if name in before} == {
        name: count for name, count in before.items() if name in after
    }
    assert {name: again[name] for name in before if name in after} == {
        name: before[name] for name in before if name in after
    }


@pytest.mark.exhaustive
def test_all_steps_down_leave_nothing(connection):
    migrate(connection, command.upgrade, "head")
    fill(connection)
    drop_minutes(connection)

    migrate(connection, command.downgrade, "base")

    assert tables(connection) == {}


def test_a_migrated_database_is_what_the_schema_says(connection):
    migrate(connection, command.upgrade, "head")

    assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_presence_becomes_words_and_flags_again(connection):
    migrate(connection, command.upgrade, "0001")
    connection.execute(sa.text("INSERT INTO presence VALUES ('pi-1', true, 5.0), ('pi-2', false, NULL)"))

    migrate(connection, command.upgrade, "0002")
    words = connection.execute(sa.text("SELECT device, availability FROM presence ORDER BY device")).all()
    migrate(connection, command.downgrade, "0001")
    flags = connection.execute(sa.text("SELECT device, online, last_seen FROM presence ORDER BY device")).all()

    assert words == [("pi-1", "online"), ("pi-2", "offline")]
    assert flags == [("pi-1", True, 5.0), ("pi-2", False, None)]


@pytest.mark.exhaustive
def test_rejected_records_become_dead_letters_and_rejected_again(connection):
    migrate(connection, command.upgrade, BEFORE_LETTERS)
    rejected = tables(connection)["rejected"]
    row = {"device": "pi-1", "boot": "b", "sequence": 7, "received_at": 5.0, "body": {"kind": "poem"}, "reason": "no"}
    connection.execute(sa.insert(rejected), [row])

    migrate(connection, command.upgrade, "head")
    (letter,) = connection.execute(sa.text("SELECT topic, boot, sequence, payload, reason FROM dead_letters")).all()
    migrate(connection, command.downgrade, BEFORE_LETTERS)
    (back,) = connection.execute(sa.select(rejected)).all()

    assert letter == ("dynasplit/v1/pi-1/telemetry", "b", 7, json.dumps({"kind": "poem"}), "no")
    assert (back.device, back.boot, back.sequence, back.received_at, back.reason) == ("pi-1", "b", 7, 5.0, "no")


@pytest.mark.exhaustive
def test_charts_know_the_energies_of_older_inferences(database, connection):
    migrate(connection, command.upgrade, BEFORE_LETTERS)
    inferences = tables(connection)["inferences"]
    names = {"device": "pi-1", "boot": "b", "network": "digits", "run": "", "strategy": "s", "violation": True}
    bodies = [{"cost": {**FIGURES, "provenance": KINDS}, "odd": "a\0b"}, {"cost": None}]
    connection.execute(
        sa.insert(inferences),
        [
            {**names, "sequence": number, "received_at": 5.0, "at": 5.0, "cut": 1, "body": body}
            for number, body in enumerate(bodies)
        ],
    )
    migrate(connection, command.upgrade, "head")
    connection.commit()

    store = SqlStore(database)
    (bucket,) = store.inference_buckets(Selection(), bucket_s=60)
    store.close()

    assert (bucket.count, bucket.violations) == (2, 2)
    assert (bucket.edge_mj, bucket.cloud_mj) == ({"estimated+measured": 15.0}, {"estimated": 60.0})


@pytest.mark.exhaustive
def test_older_drafts_are_listed_and_can_be_deleted(database, connection):
    migrate(connection, command.upgrade, "0010")
    row = Row(Configuration(3, 1_500_000), 4.5, 12.0, 2.5, 1000, 40, 1.5, 60.0, None, 0.98)
    drafts = [Table("digits", "b" * 64, f"pi-{number}", REFERENCE_LINK, (row,)) for number in range(250)]
    connection.execute(
        sa.insert(tables(connection)["drafts"]),
        [
            {"digest": each.digest, "network": "digits", "device": each.device, "content": each.to_json()}
            for each in drafts
        ],
    )
    migrate(connection, command.upgrade, "head")
    connection.commit()

    store = SqlStore(database)
    listed = store.drafts()
    store.remove_draft(drafts[0].digest)
    left = store.drafts()
    store.close()

    assert {each.digest for each in listed} == {each.digest for each in drafts}
    assert {(each.bundle, each.rows, each.content_digest) for each in listed} == {
        ("b" * 64, 1, drafts[0].content_digest)
    }
    assert listed[0].added_at > 1.7e9
    assert len(left) == 249


def test_minutes_of_an_older_schema_are_read_and_known_to_it_again(database, connection):
    migrate(connection, command.upgrade, "0013")
    sample = Sample(70.0, True, 10.0, 3.0, 5.0, 30_000.0, Provenance.MEASURED, 600_000, 50.0, False)
    minutes = tables(connection)["sample_minutes"]
    key = {"device": "pi-1", "minute": 60, "provenance": "measured", "clock_synced": True}
    figures = minute_of(sample, device="pi-1", source=("boot", 1)).figures()
    connection.execute(sa.insert(minutes), [{**key, "figures": figures, "sources": [["boot", 1]]}])
    migrate(connection, command.upgrade, "head")
    connection.commit()

    store = SqlStore(database)
    store.write([Arrival("pi-1", "boot", number, 3.0, sample.to_json(), sample) for number in (1, 2, 3, 7)])
    store.thin_samples(received_before=200.0)
    (minute,) = store.sample_minutes("pi-1")
    with store._database.writing() as another:
        migrate(another, command.downgrade, "0013")
        back = another.scalar(sa.select(minutes.c.sources))
    store.close()

    assert (minute.count, minute.sources) == (4, (("boot", 1, 3), ("boot", 7, 7)))
    assert back == [["boot", number] for number in (1, 2, 3, 7)]


@pytest.mark.exhaustive
def test_samples_by_the_minute_are_not_lost_by_going_back(connection):
    migrate(connection, command.upgrade, "0005")
    before = fill(connection)

    with pytest.raises(Conflict, match="no room for the 2 samples by the minute") as refusal:
        migrate(connection, command.downgrade, BEFORE_LETTERS)

    assert "\n" not in str(refusal.value)
    assert counts(connection) == before
