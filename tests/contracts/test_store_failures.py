"""A write that fails in the middle leaves nothing: a full disk, a server that goes away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from cloud.store.records.port import Arrival, Selection
from cloud.store.sql import SqlStore
from protocol.configuration import Provenance
from protocol.errors import ServiceMissing
from protocol.samples import Sample


def sampled(sequence: int) -> Arrival:
    content = Sample(1.0, True, 60.0, 3.0, 5.0, 180_000.0, Provenance.MEASURED, None, None, False)
    return Arrival("pi-1", "boot-1", sequence, 100.0, {**content.to_json(), "more": "x" * 500}, content)


@pytest.fixture
def on_sqlite(tmp_path) -> Iterator[SqlStore]:
    store = SqlStore(f"sqlite:///{tmp_path}/store.sqlite")
    store.ready()
    yield store
    store.close()


@pytest.mark.exhaustive
def test_a_full_disk_leaves_all_or_nothing_of_a_write_and_what_was_there_before(on_sqlite):
    engine = on_sqlite._database._engine
    on_sqlite.write([sampled(1)])

    @sa.event.listens_for(engine, "engine_connect")
    def fill_the_disk(connection: sa.Connection) -> None:
        """SQLite's own limit ends a write as a full disk does, with SQLITE_FULL."""
        connection.connection.execute("PRAGMA max_page_count = 1")

    with pytest.raises(ServiceMissing, match="full"):
        on_sqlite.write([sampled(number) for number in range(2, 2000)])
    sa.event.remove(engine, "engine_connect", fill_the_disk)
    engine.dispose()

    assert [kept.sequence for kept in on_sqlite.samples(Selection())] == [1]
    on_sqlite.write([sampled(number) for number in range(2, 5)])
    assert [kept.sequence for kept in on_sqlite.samples(Selection())] == [4, 3, 2, 1]


@pytest.mark.postgresql
def test_a_server_that_ends_in_the_middle_leaves_nothing_and_is_used_again_when_it_is_back(postgresql):
    url = postgresql()
    store, other = SqlStore(url), sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    store.ready()
    engine, ended = store._database._engine, []

    def end_once(connection: sa.Connection, _cursor, statement: str, *_rest: object) -> None:
        """As a restart does to those who are connected, after the first insert of the write."""
        if statement.startswith("INSERT INTO samples") and not ended:
            ended.append(connection.connection.driver_connection.info.backend_pid)
            with other.begin() as killer:
                killer.execute(sa.select(sa.func.pg_terminate_backend(ended[0], 10_000)))

    sa.event.listen(engine, "after_cursor_execute", end_once)
    with pytest.raises(ServiceMissing):
        store.write([sampled(number) for number in range(10)])

    assert list(store.samples(Selection())) == []
    store.write([sampled(number) for number in range(10)])
    assert len(list(store.samples(Selection()))) == 10
    assert [device.name for device in store.devices()] == ["pi-1"]
    store.close()
    other.dispose()
