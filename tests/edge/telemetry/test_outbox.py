"""The outbox: nothing leaves it unconfirmed, whatever happens to the process."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest

from edge.telemetry.outbox import Outbox, OutboxFailed
from protocol.errors import InvalidInput
from protocol.messages import Ack, RecordKind

INFERENCE = RecordKind.INFERENCE


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outbox.sqlite"


@pytest.fixture
def make(path):
    opened = []

    def opening(**change) -> Outbox:
        opened.append(Outbox(path, **{"max_rows": 100, **change}))
        return opened[-1]

    yield opening
    for outbox in opened:
        outbox.close()


def batch(outbox, *, after_id=0, max_records=1000, max_bytes=1 << 20):
    return outbox.batch(after_id=after_id, max_records=max_records, max_bytes=max_bytes)


def numbers(outbox) -> list[int]:
    found = batch(outbox)
    return [record.body["n"] for record in found.records] if found else []


def test_records_come_out_as_they_went_in(make):
    outbox = make()
    sequences = [outbox.append(INFERENCE, {"n": 1, "ä": None}), outbox.append(RecordKind.MEASUREMENT, {"n": 2})]
    first, second = batch(outbox).records
    assert sequences == [1, 2] == [first.sequence, second.sequence]
    assert (first.kind, dict(first.body)) == (INFERENCE, {"n": 1, "ä": None})
    assert second.kind is RecordKind.MEASUREMENT


def test_only_what_is_acknowledged_leaves(make):
    outbox = make()
    for n in range(1, 11):
        outbox.append(INFERENCE, {"n": n})
    assert outbox.acknowledge(Ack(outbox.boot, ((2, 4), (9, 30)))) == 5
    assert numbers(outbox) == [1, 5, 6, 7, 8] and len(outbox) == 5
    assert outbox.acknowledge(Ack(outbox.boot, ((2, 4),))) == 0
    assert outbox.acknowledge(Ack("another boot", ((1, 99),))) == 0
    assert len(outbox) == 5


def test_each_start_has_a_boot_of_its_own_and_earlier_rows_keep_theirs(make):
    first = make()
    first.append(INFERENCE, {"n": 1})
    first.close()
    second = make()
    assert second.append(INFERENCE, {"n": 2}) == 1
    older = batch(second)
    newer = batch(second, after_id=older.last_id)
    assert (older.boot, newer.boot) == (first.boot, second.boot) and first.boot != second.boot
    assert second.acknowledge(Ack(first.boot, ((1, 1),))) == 1
    assert numbers(second) == [2]


def test_ids_are_not_used_again_after_all_rows_left(make):
    outbox = make()
    outbox.append(INFERENCE, {"n": 1})
    last_id = batch(outbox).last_id
    outbox.acknowledge(Ack(outbox.boot, ((1, 1),)))
    outbox.append(INFERENCE, {"n": 2})
    assert batch(outbox, after_id=last_id) is not None


def test_the_oldest_go_when_it_is_full_and_are_counted_over_restarts(make):
    outbox = make(max_rows=3)
    for n in range(1, 6):
        outbox.append(INFERENCE, {"n": n})
    assert numbers(outbox) == [3, 4, 5]
    outbox.close()
    assert make(max_rows=3).dropped == 2


def test_a_smaller_bound_than_before_is_kept_to(make):
    outbox = make(max_rows=10)
    for n in range(10):
        outbox.append(INFERENCE, {"n": n})
    outbox.close()
    smaller = make(max_rows=4)
    smaller.append(INFERENCE, {"n": 10})
    assert numbers(smaller) == [7, 8, 9] and len(smaller) == 4
    assert smaller.dropped == 7


def test_batches_keep_to_their_limits_but_always_move_on(make):
    outbox = make()
    for n in range(5):
        outbox.append(INFERENCE, {"n": n, "text": "x" * 1000})
    assert len(batch(outbox, max_records=2).records) == 2
    assert len(batch(outbox, max_bytes=2500).records) == 2
    assert len(batch(outbox, max_bytes=1).records) == 1


def test_many_threads_may_write(make):
    outbox = make(max_rows=10_000)
    threads = [
        threading.Thread(target=lambda: [outbox.append(INFERENCE, {"n": n}) for n in range(50)]) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [record.sequence for record in batch(outbox).records] == list(range(1, 301))


def test_a_record_that_cannot_be_kept_is_an_error_and_takes_no_sequence(make, path):
    outbox = make()
    with sqlite3.connect(path) as blocker:
        blocker.execute("CREATE TRIGGER full BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'full'); END")
    blocker.close()
    with pytest.raises(OutboxFailed, match="full"):
        outbox.append(INFERENCE, {"n": 1})
    with sqlite3.connect(path) as blocker:
        blocker.execute("DROP TRIGGER full")
    blocker.close()
    assert outbox.append(INFERENCE, {"n": 2}) == 1


def test_a_garbled_file_is_set_aside_and_the_device_goes_on(make, path):
    path.write_bytes(b"not a database, but long enough to look at " * 100)
    outbox = make()
    outbox.append(INFERENCE, {"n": 1})
    assert numbers(outbox) == [1]
    assert len(list(path.parent.glob("*.broken-*"))) == 1


def test_a_folder_that_is_not_writable_is_said_in_one_line(path):
    path.mkdir()
    with pytest.raises(OutboxFailed, match=r"outbox\.sqlite"):
        Outbox(path, max_rows=10)


WRITER = """
import sys
from pathlib import Path
from edge.telemetry.outbox import Outbox
from protocol.messages import RecordKind
outbox = Outbox(Path(sys.argv[1]), max_rows=100000, full_sync=sys.argv[2] == "full")
while True:
    print(outbox.append(RecordKind.INFERENCE, {"n": 1}), flush=True)
"""


@pytest.mark.parametrize("sync", ["normal", "full"])
def test_what_was_appended_survives_a_killed_process(make, path, sync):
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path), sync], stdout=subprocess.PIPE) as writer:
        acknowledged = [int(writer.stdout.readline()) for _ in range(200)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout if line.endswith(b"\n")]
    kept = [record.sequence for record in batch(make(max_rows=100_000), max_records=100_000, max_bytes=1 << 30).records]
    assert kept[: len(acknowledged)] == acknowledged
    assert len(kept) <= len(acknowledged) + 1


@pytest.mark.parametrize("value", ["\ud800", "\0", float("nan")])
def test_what_could_not_be_sent_is_refused_at_once(make, value):
    outbox = make()
    with pytest.raises(InvalidInput):
        outbox.append(INFERENCE, {"n": value})
    assert len(outbox) == 0
    assert outbox.append(INFERENCE, {"n": 1}) == 1


def test_a_record_that_cannot_be_read_is_dropped_counted_and_named_once(make, path, caplog):
    outbox = make()
    for n in range(1, 6):
        outbox.append(INFERENCE, {"n": n})
    spoilt = [r'{"n": "\ud800"}', "{", b"\xff\xfe", '{"n": 5}']
    with contextlib.closing(sqlite3.connect(path)) as database:
        for sequence, body in zip((1, 2, 4, 5), spoilt, strict=True):
            kind = "gossip" if sequence == 5 else "inference"
            database.execute("UPDATE records SET body = ?, kind = ? WHERE sequence = ?", (body, kind, sequence))
        database.commit()

    assert numbers(outbox) == [3] == numbers(outbox)
    assert (len(outbox), outbox.dropped) == (1, 4)
    assert [record.message.partition(" of")[0] for record in caplog.records] == [
        f"dropped record {sequence}" for sequence in (1, 2, 4, 5)
    ]


def test_a_whole_batch_that_cannot_be_read_does_not_hide_the_next(make, path):
    outbox = make()
    for n in range(4):
        outbox.append(INFERENCE, {"n": n})
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE records SET body = '[]' WHERE sequence < 4")
        database.commit()
    assert [record.sequence for record in batch(outbox, max_records=2).records] == [4]
