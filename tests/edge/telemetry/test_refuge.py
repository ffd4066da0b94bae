"""The outbox of a device whose disk is full or broken when it starts: in memory, until the disk is well."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from edge.telemetry.outbox import Outbox
from edge.telemetry.refuge import open_outbox
from hardware.clock import VirtualClock
from protocol.messages import Ack, RecordKind

INFERENCE, SAMPLE = RecordKind.INFERENCE, RecordKind.SAMPLE
MIB = 1 << 20
FULL = "CREATE TRIGGER full BEFORE INSERT ON inference WHEN new.id > 3 BEGIN SELECT RAISE(ABORT, 'full'); END"


@pytest.fixture
def clock():
    return VirtualClock(100.0)


@pytest.fixture
def path(tmp_path):
    """Where nothing can be opened as long as a folder lies there."""
    path = tmp_path / "outbox.sqlite"
    path.mkdir()
    return path


@pytest.fixture
def make(path, clock):
    opened = []

    def opening(**change) -> Outbox:
        opened.append(open_outbox(path, clock=clock, **{"max_bytes": 64 * MIB, **change}))
        return opened[-1]

    yield opening
    for outbox in opened:
        outbox.close()


def told(outbox) -> list[tuple[str, int, int]]:
    """Boot, sequence and content of all records, as they would be sent."""
    found, after_id = [], 0
    while batch := outbox.batch(after_id=after_id, max_records=100_000, max_bytes=1 << 30):
        found += [(batch.boot, record.sequence, record.body["n"]) for record in batch.records]
        after_id = batch.last_id
    return found


def test_records_wait_in_memory_and_are_confirmed_as_ever(make):
    outbox = make()
    assert [outbox.append(INFERENCE, {"n": n}) for n in range(3)] == [1, 2, 3]
    assert outbox.acknowledge(Ack(outbox.boot, ((1, 2),))) == 2
    assert told(outbox) == [(outbox.boot, 3, 2)]


@pytest.mark.exhaustive
def test_it_is_small_and_counts_what_it_loses(make):
    outbox = make()
    for n in range(20_000):
        outbox.append(SAMPLE, {"n": n, "text": "x" * 1000})
    assert len(outbox) + outbox.dropped[SAMPLE] == 20_000 and outbox.dropped[SAMPLE] > 5_000
    assert outbox.to_json()["bytes"] <= outbox.to_json()["max_bytes"] == 16 * MIB


@pytest.mark.parametrize("full_sync", [False, True])
def test_once_the_disk_is_well_all_is_there_beside_what_was_left(make, path, clock, full_sync):
    path.rmdir()
    before = make()
    before.append(INFERENCE, {"n": 1})
    before.close()
    kept = path.rename(path.with_name("kept"))
    path.mkdir()
    outbox = make(full_sync=full_sync)
    for n in (2, 3, 4):
        outbox.append(INFERENCE, {"n": n})
    outbox.acknowledge(Ack(outbox.boot, ((1, 1),)))
    path.rmdir()
    kept.rename(path)
    clock.sleep(60)
    outbox.tend()
    expected = [(before.boot, 1, 1), (outbox.boot, 2, 3), (outbox.boot, 3, 4)]
    assert told(outbox) == expected and len(outbox) == 3
    assert outbox.append(INFERENCE, {"n": 5}) == 4
    assert outbox.to_json()["max_bytes"] == 64 * MIB
    outbox.close()
    assert told(make()) == [*expected, (outbox.boot, 4, 5)]


def test_the_file_is_not_tried_with_every_record(make, path, clock):
    outbox = make()
    path.rmdir()
    clock.sleep(1)
    outbox.tend()
    assert not path.exists()


def test_a_disk_that_fills_up_again_halfway_leaves_all_in_memory_and_nothing_twice(make, path, clock):
    outbox = make()
    for n in range(5):
        outbox.append(INFERENCE, {"n": n})
    path.rmdir()
    Outbox(path, max_bytes=64 * MIB).close()
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(FULL)
    clock.sleep(60)
    outbox.tend()
    expected = [(outbox.boot, n + 1, n) for n in range(5)]
    assert told(outbox) == expected
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("DROP TRIGGER full")
    clock.sleep(60)
    outbox.tend()
    assert told(outbox) == expected and len(outbox) == 5
    outbox.close()
    assert told(make()) == expected


def test_at_the_end_the_disk_is_tried_once_more(make, path):
    outbox = make()
    outbox.append(INFERENCE, {"n": 1})
    path.rmdir()
    outbox.close()
    assert told(make()) == [(outbox.boot, 1, 1)]


def test_what_is_lost_in_the_end_is_said(make, caplog):
    outbox = make()
    outbox.append(INFERENCE, {"n": 1})
    outbox.close()
    assert "1 records that were kept in memory are lost" in caplog.text


@pytest.mark.exhaustive
def test_what_was_lost_in_memory_is_counted_on_the_disk(make, path, clock):
    outbox = make()
    for n in range(20_000):
        outbox.append(SAMPLE, {"n": n, "text": "x" * 1000})
    lost = outbox.dropped[SAMPLE]
    path.rmdir()
    clock.sleep(60)
    outbox.tend()
    assert outbox.dropped[SAMPLE] == lost and len(outbox) == 20_000 - lost
