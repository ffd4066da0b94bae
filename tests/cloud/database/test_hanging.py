"""A database that neither answers nor refuses: who asks is told so, instead of waiting with it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

from cloud.database import engine, schema
from cloud.store.sql import SqlStore
from protocol.errors import ServiceMissing
from tools.benches.postgresql import cluster

PATIENCE_S = 30.0
"""Far above what is waited for, far below what a connection takes to end."""


class Server:
    """A PostgreSQL that can be stopped in its tracks."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._folder = Path(parse_qs(urlsplit(url).query)["host"][0])

    def signal(self, number: int) -> None:
        first = int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
        others = subprocess.run(["pgrep", "-P", str(first)], capture_output=True, text=True, check=True).stdout
        for pid in (first, *map(int, others.split())):
            with suppress(ProcessLookupError):  # it has ended since it was listed
                os.kill(pid, number)


@pytest.fixture
def server() -> Iterator[Server]:
    with ExitStack() as stack:
        try:
            found = Server(stack.enter_context(cluster(durable=False)))
        except ServiceMissing as missing:
            pytest.skip(str(missing))
        stack.callback(found.signal, signal.SIGCONT)
        yield found


def in_time(call: Callable[[], object]) -> object:
    with_deadline = ThreadPoolExecutor(1)
    try:
        return with_deadline.submit(call).result(PATIENCE_S)
    finally:
        with_deadline.shutdown(wait=False)


def until_ready(backend) -> None:
    """On a machine that has much to do, an answer may take longer than is waited for."""
    tick = threading.Event()
    for _ in range(600):
        if backend.call("GET", "/v2/health/ready", token="").status_code == 200:
            return
        tick.wait(0.05)
    raise AssertionError("the backend is not ready again")


@pytest.mark.postgresql
def test_who_asks_while_it_hangs_is_told_so_and_is_served_when_it_goes_on(server, make_backend, digits):
    backend = make_backend(store=SqlStore(server.url))
    backend.upload(digits)
    known = backend.device("pi-1")
    assert backend.call("GET", "/v2", token=known).status_code == 200
    until_ready(backend)
    server.signal(signal.SIGSTOP)

    ready = in_time(lambda: backend.call("GET", "/v2/health/ready", token=""))
    unknown = [in_time(lambda: backend.call("GET", "/v2", token="nobody's")) for _ in range(2)]
    metrics = in_time(lambda: backend.call("GET", "/metrics"))
    served = in_time(lambda: backend.call("GET", "/v2/models/digits", token=known))

    assert (ready.status_code, "has not answered" in ready.get_json()["error"]) == (503, True)
    assert [answer.status_code for answer in unknown] == [503, 503]
    assert (metrics.status_code, "dynasplit_store_up 0.0" in metrics.text) == (200, True)
    assert served.status_code == 200
    server.signal(signal.SIGCONT)
    until_ready(backend)
    backend.store.close()


def test_a_question_for_which_no_connection_is_left_finds_the_store_missing(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path}/store.sqlite")
    store.ready()
    pool = store._database._engine.pool
    pool._timeout = 0.01
    with ExitStack() as stack:
        for _ in range(pool.size() + pool._max_overflow):
            stack.enter_context(store._database.reading())

        with pytest.raises(ServiceMissing, match="all connections are taken"):
            store.devices()
    store.close()


@pytest.mark.postgresql
def test_a_question_that_takes_too_long_ends_by_itself_but_no_migration_does(server, monkeypatch):
    monkeypatch.setitem(engine._BOUNDS, "statement_timeout", 200)
    store, holder = SqlStore(server.url), SqlStore(server.url)
    with holder._database._engine.begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(engine._MIGRATION_LOCK)))
        migrating = ThreadPoolExecutor(1).submit(store.ready)
        with pytest.raises(TimeoutError):
            migrating.result(1.0)  # five times what a question may take
    migrating.result(PATIENCE_S)
    with holder._database.writing() as connection:
        connection.execute(sa.text(f"LOCK TABLE {schema.devices.name}"))

        with pytest.raises(ServiceMissing, match="statement timeout"):
            in_time(store.devices)

    assert store.devices() == []
    for each in (store, holder):
        each.close()


@pytest.mark.postgresql
def test_what_a_process_that_froze_holds_is_given_up_and_told_when_it_goes_on(server, monkeypatch):
    monkeypatch.setitem(engine._BOUNDS, "idle_in_transaction_session_timeout", 300)
    frozen, other = SqlStore(server.url), SqlStore(server.url)
    frozen.ready()
    tick = threading.Event()

    with pytest.raises(ServiceMissing, match="idle-in-transaction"), frozen._database.writing() as connection:
        connection.execute(sa.text(f"LOCK TABLE {schema.devices.name}"))
        found = in_time(other.devices)
        tick.wait(0.2)
        connection.execute(sa.text("SELECT 1"))

    assert found == []
    assert frozen.devices() == []
    for each in (frozen, other):
        each.close()


@pytest.mark.postgresql
def test_what_the_server_was_told_to_bound_stands(server):
    store = SqlStore(server.url)
    store.ready()
    with store._database.writing() as connection:
        connection.execute(sa.text("ALTER DATABASE postgres SET statement_timeout = 7000"))
    store.close()
    bounded = SqlStore(server.url)

    with bounded._database.reading() as connection:
        found = [
            connection.scalar(sa.text(f"SHOW {name}"))
            for name in ("statement_timeout", "idle_in_transaction_session_timeout")
        ]

    assert found == ["7s", "15s"]
    bounded.close()
