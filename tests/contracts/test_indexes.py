"""What dashboards and the optimizer ask is answered by an index, not by looking through all rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from cloud.database import schema
from cloud.store.charts.port import Grouping
from cloud.store.computations.port import Computation, TableOrder
from cloud.store.records.port import Selection
from cloud.store.rollouts.values import Plan, Rollout
from cloud.store.sql import SqlStore
from cloud.store.upkeep.port import Perishable

Ask = Callable[[SqlStore], object]

DAY = Selection(device="pi-1", received_since=1000.0)
QUESTIONS: dict[str, tuple[Ask, str]] = {
    "a day of a device": (lambda store: list(store.inferences(DAY)), "ix_inferences_device"),
    "the latest of a device": (
        lambda store: list(store.inferences(Selection(device="pi-1"), limit=20)),
        "ix_inferences_device",
    ),
    "the latest of all": (lambda store: list(store.inferences(Selection(), limit=20)), "ix_inferences_received_at"),
    "the latest of a network": (
        lambda store: list(store.inferences(Selection(network="digits"), limit=20)),
        "ix_inferences_network",
    ),
    "a run": (lambda store: list(store.inferences(Selection(run="evening"))), "ix_inferences_run"),
    "how many of a run": (lambda store: store.count_inferences(run="evening"), "ix_inferences_run"),
    "a chart of a device": (lambda store: store.inference_buckets(DAY, bucket_s=3600), "ix_inferences_device"),
    "a chart of a network": (
        lambda store: store.inference_buckets(
            Selection(network="digits", received_since=1000.0), bucket_s=3600, by=Grouping.DEVICE
        ),
        "ix_inferences_network",
    ),
    "measurements for the optimizer": (
        lambda store: list(store.measurements(Selection(network="digits", bundle="b"))),
        "ix_measurements_network",
    ),
    "measurements of a run": (lambda store: list(store.measurements(Selection(run="run-7"))), "ix_measurements_run"),
    "how many measurements of a run": (
        lambda store: store.count_measurements(Selection(run="run-7")),
        "ix_measurements_run",
    ),
    "measurements of a device": (
        lambda store: list(store.measurements(Selection(device="pi-7"))),
        "ix_measurements_device",
    ),
    "samples that are old": (lambda store: store.forget(Perishable.SAMPLES, before=-1.0), "_age"),
    "drafts, page by page": (lambda store: store.drafts(before=(5.0, "x"), limit=20), "ix_drafts_added_at"),
    "rollouts that ended long ago": (lambda store: store.forget(Perishable.ROLLOUTS, before=-1.0), "_ended_at"),
    "computations that ended long ago": (lambda store: store.forget(Perishable.COMPUTATIONS, before=-1.0), "_ended_at"),
    "jobs that ended long ago": (lambda store: store.forget(Perishable.JOBS, before=-1.0), "_ended_at"),
    "tables to be published": (lambda store: store.unpublished_desired(), "ix_desired_unpublished"),
    "lists of jobs to be published": (lambda store: store.devices_with_unpublished_jobs(), "ix_job_lists_unpublished"),
    "rollouts that go on": (lambda store: store.unfinished_rollouts(), "ix_rollouts_ended_at"),
    "computations that go on": (lambda store: store.unfinished_computations(), "ix_computations_ended_at"),
    "samples of a device": (lambda store: list(store.samples(DAY)), "ix_samples_received_at"),
    "dead letters": (lambda store: store.dead_letters(), "ix_dead_letters_received_at"),
}


@pytest.fixture(scope="module")
def store(lasting_database) -> Iterator[SqlStore]:
    """Filled once: nothing that is asked changes it."""
    made = SqlStore(lasting_database)
    made.ready()
    with made._database.writing() as connection:
        _fill(connection)
    with made._database._engine.connect().execution_options(isolation_level="AUTOCOMMIT", begin="") as connection:
        connection.exec_driver_sql("ANALYZE")
    yield made
    made.close()


def _fill(connection: sa.Connection) -> None:
    """Enough rows that a planner finds an index worth its while: 100 devices, 10 networks, 20 runs."""
    shared = [{"boot": "b", "sequence": number, "received_at": float(number), "body": {}} for number in range(4000)]
    named = [
        {
            **row,
            "device": f"pi-{number % 100}",
            "network": f"network-{number % 10}",
            "run": f"run-{number % 400}" if number % 400 < 20 else "",
        }
        for number, row in enumerate(shared)
    ]
    more = {"strategy": "s", "at": 0.0, "violation": False, "edge_provenance": "", "cloud_provenance": ""}
    connection.execute(sa.insert(schema.inferences), [row | more for row in named])
    connection.execute(sa.insert(schema.measurements), [row | {"bundle": f"b{row['sequence'] % 100}"} for row in named])
    nameless = [{name: row[name] for name in (*shared[0], "device")} for row in named]
    connection.execute(sa.insert(schema.samples), [row | {"at": 0.0} for row in nameless])
    minutes = {"provenance": "measured", "clock_synced": True, "figures": {}, "sources": []}
    connection.execute(
        sa.insert(schema.sample_minutes),
        [{"device": row["device"], "minute": row["sequence"], **minutes} for row in named],
    )
    letters = [
        {
            "digest": f"{number}",
            "topic": "",
            "device": "",
            "boot": "",
            "payload": "",
            "reason": "",
            "received_at": number,
        }
        for number in range(4000)
    ]
    connection.execute(sa.insert(schema.dead_letters), letters)
    _fill_what_ended(connection)


def _fill_what_ended(connection: sa.Connection) -> None:
    """A hundred of these have not."""
    numbers = range(4000)
    order = TableOrder("digits", "pi-1", "b", ("pi-1",))
    for table, more, content in (
        (schema.rollouts, {"network": "digits"}, Rollout("r", "digits", Plan(), (), 0.0).to_json()),
        (schema.computations, {}, Computation("c", order, 0.0).to_json()),
    ):
        shared = {"created_at": 0.0, "revision": 0, "content": content, **more}
        connection.execute(sa.insert(table), [{"id": f"{number}", **shared, **_end(number)} for number in numbers])
    job = {"kind": "restart", "parameters": {}, "timeout_s": 1.0, "cancel": False, "done": 0, "total": 0, "reason": ""}
    jobs = [
        {"id": f"{number}", "device": f"pi-{number % 100}", "created_at": 0.0, **job, **_end(number)}
        for number in numbers
    ]
    connection.execute(sa.insert(schema.jobs), jobs)
    desired = [
        {"device": f"pi-{number}", "network": "digits", "version": 1, "digest": "d", "published": number % 400 > 0}
        for number in numbers
    ]
    connection.execute(sa.insert(schema.desired), desired)
    lists = [{"device": f"pi-{number}", "revision": 2, "published": 2 - (number % 400 == 0)} for number in numbers]
    connection.execute(sa.insert(schema.job_lists), lists)
    facts = {"network": "digits", "device": "pi-1", "bundle": "b", "rows": 1, "content": {}}
    drafts = [
        {"digest": f"{number}", "content_digest": f"{number}", "added_at": float(number), **facts} for number in numbers
    ]
    connection.execute(sa.insert(schema.drafts), drafts)


def _end(number: int) -> dict[str, object]:
    ended = number % 40 > 0
    return {"state": "DONE" if ended else "RUNNING", "ended_at": float(number) if ended else None}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_answered_by_its_index(store, question):
    ask, index = QUESTIONS[question]
    asked: list[tuple[str, object]] = []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        if statement.lstrip().startswith("SELECT"):
            asked.append((statement, parameters))

    sa.event.listen(store._database._engine, "before_cursor_execute", note)
    ask(store)
    sa.event.remove(store._database._engine, "before_cursor_execute", note)

    for statement, parameters in asked:
        assert index in plan(store, statement, parameters)


def plan(store: SqlStore, statement: str, parameters: object) -> str:
    how = "EXPLAIN QUERY PLAN" if store._database.dialect == "sqlite" else "EXPLAIN"
    with store._database.reading() as connection:
        rows = connection.exec_driver_sql(f"{how} {statement}", parameters).all()
    return "\n".join(str(row[-1]) for row in rows)
