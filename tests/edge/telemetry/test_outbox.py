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

INFERENCE, MEASUREMENT, SAMPLE = RecordKind.INFERENCE, RecordKind.MEASUREMENT, RecordKind.SAMPLE
MIB = 1 << 20


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outbox.sqlite"


@pytest.fixture
def make(path):
    opened = []

    def opening(**change) -> Outbox:
        opened.append(Outbox(path, **{"max_bytes": 8 * MIB, **change}))
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


def filled(outbox, kind, count, *, first=0) -> None:
    for n in range(first, first + count):
        outbox.append(kind, {"n": n, "text": "x" * 1000})


def kinds_over_boots(outbox) -> dict[RecordKind, list[int]]:
    records, after_id = [], 0
    while found := batch(outbox, after_id=after_id):
        records.extend(found.records)
        after_id = found.last_id
    return {kind: [record.body["n"] for record in records if record.kind is kind] for kind in RecordKind}


def kinds(outbox) -> dict[RecordKind, list[int]]:
    found = batch(outbox, max_records=100_000, max_bytes=1 << 30)
    return {kind: [record.body["n"] for record in found.records if record.kind is kind] for kind in RecordKind}


@pytest.mark.exhaustive
def test_when_it_is_full_the_oldest_samples_go_before_any_other_record(make):
    outbox = make()
    for n in range(0, 4000, 10):
        filled(outbox, INFERENCE, 3, first=n)
        filled(outbox, MEASUREMENT, 2, first=n)
        filled(outbox, SAMPLE, 10, first=n)
    dropped, kept = outbox.dropped, kinds(outbox)
    assert (dropped[INFERENCE], dropped[MEASUREMENT]) == (0, 0) and dropped[SAMPLE] > 0
    assert (len(kept[INFERENCE]), len(kept[MEASUREMENT])) == (1200, 800)
    assert kept[SAMPLE] == list(range(4000))[-len(kept[SAMPLE]) :]
    assert len(kept[SAMPLE]) + dropped[SAMPLE] == 4000


@pytest.mark.exhaustive
def test_without_samples_measurements_go_before_requests_and_then_the_oldest_requests(make):
    outbox = make()
    filled(outbox, MEASUREMENT, 1000)
    filled(outbox, INFERENCE, 2000)
    assert outbox.dropped[INFERENCE] == 0 < outbox.dropped[MEASUREMENT] < 1000
    filled(outbox, INFERENCE, 3000, first=2000)
    kept, dropped = kinds(outbox), outbox.dropped
    assert kept[MEASUREMENT] == [] and dropped[MEASUREMENT] == 1000
    assert kept[INFERENCE] == list(range(dropped[INFERENCE], 5000)) and dropped[INFERENCE] > 0


@pytest.mark.exhaustive
def test_that_records_begin_to_be_lost_is_told_once_until_some_get_through(make):
    outbox, told = make(), []
    outbox.on_loss(lambda: told.append(len(outbox)))
    filled(outbox, SAMPLE, 4000)
    filled(outbox, SAMPLE, 4000)
    assert len(told) == 1

    outbox.acknowledge(Ack(outbox.boot, ((1, 8000),)))
    filled(outbox, SAMPLE, 9000)

    assert len(told) == 2


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", [SAMPLE, MEASUREMENT])
def test_what_counts_less_does_not_drive_out_requests(make, kind):
    outbox = make()
    filled(outbox, INFERENCE, 4000)
    lost = outbox.dropped[INFERENCE]
    filled(outbox, kind, 500)
    assert outbox.dropped[INFERENCE] == lost and outbox.dropped[kind] > 0
    with pytest.raises(OutboxFailed, match=f"counts more than a {kind}"):
        outbox.append(kind, {"text": "x" * 500_000})
    assert kinds(outbox)[INFERENCE] == list(range(lost, 4000))


@pytest.mark.exhaustive
def test_file_and_log_stay_within_the_bound_and_the_count_survives_a_restart(make, path):
    outbox = make()
    filled(outbox, INFERENCE, 9000)
    size = sum(each.stat().st_size for each in path.parent.glob("outbox.sqlite*") if not each.name.endswith("-shm"))
    assert MIB < size <= 8 * MIB
    dropped = outbox.dropped
    assert len(outbox) + dropped[INFERENCE] == 9000
    outbox.close()
    assert make().dropped == dropped


@pytest.mark.exhaustive
def test_room_that_was_let_go_is_used_again(make, path):
    outbox = make()
    for _ in range(5):
        filled(outbox, INFERENCE, 2000)
        outbox.acknowledge(Ack(outbox.boot, ((1, 1 << 40),)))
    assert not any(outbox.dropped.values()) and len(outbox) == 0
    assert path.stat().st_size <= 4 * MIB


def test_a_log_that_is_tended_does_not_grow_and_nothing_is_lost_of_it(make, path):
    outbox = make()
    for n in range(10):
        filled(outbox, INFERENCE, 200, first=200 * n)
        outbox.tend()
    assert path.with_name("outbox.sqlite-wal").stat().st_size < 2 * MIB
    assert kinds(outbox)[INFERENCE] == list(range(2000))


@pytest.mark.exhaustive
def test_a_smaller_bound_than_before_is_kept_to(make, path):
    outbox = make(max_bytes=16 * MIB)
    filled(outbox, SAMPLE, 3000)
    filled(outbox, INFERENCE, 1000)
    outbox.close()
    smaller = make()
    assert smaller.dropped[INFERENCE] == 0 < smaller.dropped[SAMPLE]
    assert path.stat().st_size <= 3 * MIB
    assert len(smaller) == sum(len(numbers) for numbers in kinds(smaller).values())


def test_a_record_that_would_drive_out_all_others_is_refused(make):
    outbox = make()
    with pytest.raises(InvalidInput, match="too large"):
        outbox.append(INFERENCE, {"text": "x" * (1 << 21)})


def test_it_tells_what_waits_and_what_was_lost(make):
    outbox = make()
    filled(outbox, SAMPLE, 3)
    told = outbox.to_json()
    assert (told["waiting"], told["max_bytes"]) == (3, 8 * MIB) and 0 < told["bytes"] < MIB
    assert told["dropped"] == {"inference": 0, "measurement": 0, "sample": 0}


def test_batches_keep_to_their_limits_but_always_move_on(make):
    outbox = make()
    for n in range(5):
        outbox.append(INFERENCE, {"n": n, "text": "x" * 1000})
    assert len(batch(outbox, max_records=2).records) == 2
    assert len(batch(outbox, max_bytes=2500).records) == 2
    assert len(batch(outbox, max_bytes=1).records) == 1


def test_many_threads_may_write(make):
    outbox = make()
    threads = [
        threading.Thread(target=lambda: [outbox.append(INFERENCE, {"n": n}) for n in range(50)]) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [record.sequence for record in batch(outbox).records] == list(range(1, 301))


@contextlib.contextmanager
def taking_nothing(path):
    """The disk takes no request meanwhile."""
    for sql in (
        "CREATE TRIGGER full BEFORE INSERT ON inference BEGIN SELECT RAISE(ABORT, 'full'); END",
        "DROP TRIGGER full",
    ):
        with contextlib.closing(sqlite3.connect(path)) as blocker:
            blocker.execute(sql)
            blocker.commit()
        if sql.startswith("CREATE"):
            yield


def test_what_the_disk_does_not_take_waits_in_memory_and_is_confirmed_as_ever(make, path):
    outbox = make()
    outbox.append(INFERENCE, {"n": 1})
    with taking_nothing(path):
        assert [outbox.append(INFERENCE, {"n": n}) for n in (2, 3)] == [2, 3]
        assert (numbers(outbox), len(outbox), outbox.waiting(up_to_id=2)) == ([1, 2, 3], 3, 2)
        assert outbox.acknowledge(Ack(outbox.boot, ((2, 2),))) == 1
        assert (numbers(outbox), len(outbox)) == ([1, 3], 2)


def test_once_the_disk_takes_records_again_those_in_memory_move_there(make, path):
    outbox = make()
    with taking_nothing(path):
        for n in (1, 2):
            outbox.append(INFERENCE, {"n": n})
    outbox.append(INFERENCE, {"n": 3})
    outbox.tend()
    with contextlib.closing(sqlite3.connect(path)) as beside:
        assert beside.execute("SELECT COUNT(*) FROM inference").fetchone() == (3,)
    assert numbers(outbox) == [1, 2, 3]


def test_what_no_disk_takes_to_the_end_is_counted_and_the_next_start_knows(make, path, caplog):
    outbox = make()
    with taking_nothing(path):
        for n in (1, 2):
            outbox.append(INFERENCE, {"n": n})
        outbox.close()
    assert "2 records that were kept in memory are lost" in caplog.text
    assert make().dropped[INFERENCE] == 2
    assert make().dropped[INFERENCE] == 2, "counted once"


def test_memory_is_bounded_and_what_counts_less_goes_first(make, path, monkeypatch):
    monkeypatch.setattr("edge.telemetry.shelter._MOST_BYTES", 4000)
    outbox = make()
    with contextlib.closing(sqlite3.connect(path)) as blocker:
        for kind in ("inference", "sample"):
            blocker.execute(f"CREATE TRIGGER {kind}s BEFORE INSERT ON {kind} BEGIN SELECT RAISE(ABORT, 'full'); END")
        blocker.commit()
    losses = []
    outbox.on_loss(lambda: losses.append(1))
    for n in range(3):
        outbox.append(SAMPLE, {"n": n, "text": "x" * 900})
    for n in range(3, 7):
        outbox.append(INFERENCE, {"n": n, "text": "x" * 900})
    assert numbers(outbox) == [3, 4, 5, 6]
    assert (len(outbox), outbox.dropped[SAMPLE], losses) == (4, 3, [1])
    with pytest.raises(OutboxFailed, match="full"):
        outbox.append(SAMPLE, {"n": 7, "text": "x" * 900})


def test_a_garbled_file_is_set_aside_and_the_device_goes_on(make, path):
    path.write_bytes(b"not a database, but long enough to look at " * 100)
    outbox = make()
    outbox.append(INFERENCE, {"n": 1})
    assert numbers(outbox) == [1]
    assert len(list(path.parent.glob("*.broken-*"))) == 1


def test_a_folder_that_is_not_writable_is_said_in_one_line(path):
    path.mkdir()
    with pytest.raises(OutboxFailed, match=r"outbox\.sqlite"):
        Outbox(path, max_bytes=8 * MIB)


WRITER = """
import sys
from pathlib import Path
from edge.telemetry.outbox import Outbox
from protocol.messages import RecordKind
outbox = Outbox(Path(sys.argv[1]), max_bytes=1 << 27, full_sync=sys.argv[2] == "full")
while True:
    print(outbox.append(RecordKind.INFERENCE, {"n": 1}), flush=True)
"""


@pytest.mark.exhaustive(sample=1)
@pytest.mark.parametrize("sync", ["normal", "full"])
def test_what_was_appended_survives_a_killed_process(make, path, sync):
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path), sync], stdout=subprocess.PIPE) as writer:
        acknowledged = [int(writer.stdout.readline()) for _ in range(200)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout if line.endswith(b"\n")]
    kept = [record.sequence for record in batch(make(), max_records=100_000, max_bytes=1 << 30).records]
    assert kept[: len(acknowledged)] == acknowledged
    assert len(kept) <= len(acknowledged) + 1


def outbox_in(folder, **change) -> Outbox:
    return Outbox(folder / "outbox.sqlite", **{"max_bytes": 8 * MIB, **change})


@pytest.fixture
def prepared(tmp_path):
    """An outbox that a start of the agent left behind, with three records."""
    folder = tmp_path / "prepared"
    folder.mkdir()
    outbox = outbox_in(folder)
    filled(outbox, INFERENCE, 3)
    outbox.close()
    return folder, outbox.boot


@pytest.mark.exhaustive
def test_whatever_moment_an_append_ends_at_all_or_nothing_of_it_is_there(prepared, crashes):
    def appending(folder) -> None:
        filled(outbox_in(folder), SAMPLE, 1, first=3)

    for crash in crashes(appending, prepared=prepared[0]):
        left = outbox_in(crash.folder)
        found = kinds_over_boots(left)
        left.close()
        assert found[INFERENCE] == [0, 1, 2], crash
        assert found[SAMPLE] in ([], [3]), crash
        assert found[SAMPLE] == [3] or not crash.done or crash.outcome != "killed", crash


@pytest.mark.exhaustive
def test_whatever_moment_an_acknowledgement_ends_at_it_counts_whole_or_not_at_all(prepared, crashes):
    folder, boot = prepared

    def acknowledging(folder) -> None:
        outbox_in(folder).acknowledge(Ack(boot, ((1, 1), (3, 3))))

    for crash in crashes(acknowledging, prepared=folder):
        left = outbox_in(crash.folder)
        found = kinds_over_boots(left)[INFERENCE]
        left.close()
        assert found in ([0, 1, 2], [1]), crash
        assert found == [1] or not crash.done or crash.outcome != "killed", crash


@pytest.mark.exhaustive
def test_what_an_earlier_version_left_is_taken_over_whatever_happens_meanwhile(tmp_path, crashes):
    folder = tmp_path / "earlier"
    folder.mkdir()
    with contextlib.closing(sqlite3.connect(folder / "outbox.sqlite")) as database:
        database.executescript(EARLIER)
    for crash in crashes(outbox_in, prepared=folder):
        left = outbox_in(crash.folder)
        first, second = batch(left), batch(left, after_id=batch(left).last_id)
        assert (first.boot, [record.sequence for record in first.records]) == ("a", [7, 9]), crash
        assert (second.boot, [record.sequence for record in second.records]) == ("b", [1]), crash
        assert [record.kind for record in first.records] == [INFERENCE, MEASUREMENT], crash
        assert left.acknowledge(Ack("a", ((7, 9),))) == 2 and len(left) == 1
        left.close()


@pytest.mark.exhaustive
def test_whatever_moment_a_garbled_outbox_is_set_aside_at_the_next_start_has_an_empty_one(tmp_path, crashes):
    folder = tmp_path / "garbled"
    folder.mkdir()
    (folder / "outbox.sqlite").write_bytes(b"not a database, but long enough to look at " * 100)
    for crash in crashes(outbox_in, prepared=folder):
        left = outbox_in(crash.folder)
        assert left.append(INFERENCE, {"n": 1}) == 1, crash
        left.close()


EARLIER = """
CREATE TABLE records (id INTEGER PRIMARY KEY AUTOINCREMENT, boot TEXT, sequence INTEGER, kind TEXT, body TEXT);
INSERT INTO records VALUES (7, 'a', 7, 'inference', '{}'), (9, 'a', 9, 'measurement', '{}'), (10, 'b', 1, 'inference', '{}');
"""

FILLING_THE_DISK = """
import resource, sys
from pathlib import Path
from edge.telemetry.outbox import Outbox
from protocol.messages import RecordKind
outbox = Outbox(Path(sys.argv[1]), max_bytes=1 << 27)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
for _ in range(3000):
    outbox.append(RecordKind.INFERENCE, {"text": "x" * 1000})
print(outbox.to_json()["dropped"])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(outbox.append(RecordKind.INFERENCE, {"n": 1}))
"""


@pytest.mark.exhaustive
def test_a_disk_that_fills_up_costs_no_record_where_it_is_well_again_before_the_end(make, path):
    done = subprocess.run(
        [sys.executable, "-c", FILLING_THE_DISK + "outbox.close()", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    dropped, again = done.stdout.splitlines()
    assert (dropped, again) == ("{'inference': 0, 'measurement': 0, 'sample': 0}", "3001")
    assert "kept in memory" in done.stderr
    assert len(make(max_bytes=1 << 27)) == 3001


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
    spoilt = [r'{"n": "\ud800"}', "{", b"\xff\xfe", "[]"]
    with contextlib.closing(sqlite3.connect(path)) as database:
        for sequence, body in zip((1, 2, 4, 5), spoilt, strict=True):
            database.execute("UPDATE inference SET body = ? WHERE id = ?", (body, sequence))
        database.commit()

    assert numbers(outbox) == [3] == numbers(outbox)
    assert (len(outbox), outbox.dropped[INFERENCE]) == (1, 4)
    assert [record.message.partition(" of")[0] for record in caplog.records] == [
        f"dropped record {sequence}" for sequence in (1, 2, 4, 5)
    ]


def test_a_whole_batch_that_cannot_be_read_does_not_hide_the_next(make, path):
    outbox = make()
    for n in range(4):
        outbox.append(INFERENCE, {"n": n})
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE inference SET body = '[]' WHERE id < 4")
        database.commit()
    assert [record.sequence for record in batch(outbox, max_records=2).records] == [4]
