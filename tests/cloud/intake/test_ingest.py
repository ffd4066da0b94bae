"""From the bus into the store: acknowledged after the commit, never before."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest

from cloud.broker.publishing import BusPublisher
from cloud.intake.ingest import Ingest
from cloud.jobs.publishing import publish_jobs
from cloud.retention import Retention
from cloud.store.memory import MemoryStore
from cloud.store.port import Store
from cloud.store.records.port import Arrival, Selection
from cloud.watching.ingest_metrics import IngestMetrics
from protocol import topics
from protocol.bus import InMemoryBus, InMemoryHub
from protocol.configuration import Provenance
from protocol.documents import canonical_bytes
from protocol.errors import InvalidInput, ServiceMissing
from protocol.jobs import Job, JobKind, JobList, JobReport, JobState
from protocol.messages import Ack, Record, RecordKind, TableReport, TableState, Telemetry
from protocol.samples import Sample

PATIENCE_S = 20.0
UNACKNOWLEDGED = "dynasplit_ingest_unacknowledged_total"


class Fragile(MemoryStore):
    """A store whose database goes away and comes back, and that lists what it was asked to write."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.attempted = threading.Semaphore(0)
        self.commits: list[int] = []

    def write(self, arrivals):
        self.attempted.release()
        if self.away:
            raise ServiceMissing("database x cannot be used: refused")
        super().write(arrivals)
        self.commits.append(len(arrivals))


class Mute(InMemoryBus):
    """Hears, and for a time gets nothing out."""

    mute = True

    def publish(self, topic: str, payload: bytes, **how) -> bool:
        return not self.mute and super().publish(topic, payload, **how)


class Puzzled(MemoryStore):
    """A store that holds jobs of a kind that this version does not know."""

    def devices_with_unpublished_jobs(self):
        raise ValueError("'reboot' is not a valid JobKind")

    def unfinished_jobs(self, _device):
        raise ValueError("'reboot' is not a valid JobKind")


class Picky(MemoryStore):
    """A store that cannot keep one sequence."""

    def write(self, arrivals):
        if any(arrival.sequence == 13 and arrival.body for arrival in arrivals):
            raise InvalidInput("cannot keep 13")
        super().write(arrivals)


class Choosy(MemoryStore):
    """A store that cannot note what one device says."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def _choose(self, device: str) -> None:
        if device == "pi-13":
            raise self.error

    def note_availability(self, name, *more, **times):
        self._choose(name)
        super().note_availability(name, *more, **times)

    def note_report(self, device, *more, **times):
        self._choose(device)
        super().note_report(device, *more, **times)

    def note_job(self, device, *more, **times):
        self._choose(device)
        return super().note_job(device, *more, **times)


@dataclass
class Device:
    """The other end: sends batches, and hears acknowledgements."""

    bus: InMemoryBus
    name: str = "pi-1"
    acks: list[Ack] = field(default_factory=list)
    heard: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self.bus.subscribe(topics.ack(self.name), self._hear)

    def _hear(self, _topic: str, payload: bytes) -> None:
        with self.heard:
            self.acks.append(Ack.from_bytes(payload))
            self.heard.notify_all()

    def send(self, sequences, body, *, boot: str = "boot-1", kind: RecordKind = RecordKind.INFERENCE) -> None:
        records = tuple(Record(sequence, kind, body) for sequence in sequences)
        self.bus.publish(topics.telemetry(self.name), Telemetry(self.name, boot, records).to_bytes())

    def send_raw(self, payload: bytes) -> None:
        self.bus.publish(topics.telemetry(self.name), payload)

    def send_records(self, records: list[object]) -> None:
        self.send_raw(canonical_bytes({"schema": 1, "device": self.name, "boot": "boot-1", "records": records}))

    def wait_for_acks(self, count: int) -> list[Ack]:
        with self.heard:
            assert self.heard.wait_for(lambda: len(self.acks) >= count, PATIENCE_S), "no acknowledgement came"
            return list(self.acks)


@pytest.fixture
def hub() -> InMemoryHub:
    return InMemoryHub()


@pytest.fixture
def device(hub) -> Device:
    bus = InMemoryBus(hub)
    bus.start()
    return Device(bus)


StartIngest = Callable[..., Ingest]


@pytest.fixture
def start(hub) -> Iterator[StartIngest]:
    started = []

    def starting(store: Store, **more) -> Ingest:
        ingest = Ingest(
            InMemoryBus(hub), store, **{"gather_s": 0.001, "retry_s": 0.001, "wall_clock": lambda: 42.0} | more
        )
        ingest.start()
        started.append(ingest)
        return ingest

    yield starting
    for ingest in started:
        ingest.stop()


def sequences(store: Store) -> list[int]:
    return sorted(kept.sequence for kept in store.inferences(Selection()))


def knowing(network: str) -> MemoryStore:
    """A store that has a bundle of a network."""
    store = MemoryStore()
    store.add_bundle("b" * 64, network=network)
    return store


def wait_until(condition: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(int(PATIENCE_S / 0.005)):
        if condition():
            return
        tick.wait(0.005)
    raise AssertionError("the condition did not come true in time")


def test_a_batch_is_kept_and_acknowledged(start, device, inference):
    store = MemoryStore()
    start(store)

    device.send([1, 2, 3, 7], inference.to_json())

    assert device.wait_for_acks(1) == [Ack("boot-1", ((1, 3), (7, 7)))]
    assert sequences(store) == [1, 2, 3, 7]
    assert next(store.inferences(Selection())).received_at == 42.0


def test_what_is_acknowledged_can_be_read_at_once(start, hub, inference):
    store, seen = MemoryStore(), []
    bus = InMemoryBus(hub)
    bus.subscribe(topics.ack("pi-1"), lambda _topic, _payload: seen.append(sequences(store)))
    bus.start()
    device = Device(bus)
    start(store)

    device.send([1, 2], inference.to_json())

    device.wait_for_acks(1)
    assert seen == [[1, 2]]


def test_a_store_that_is_away_and_back_is_told_once_each(start, device, inference, caplog):
    caplog.set_level(logging.INFO, "cloud.intake.writing")
    store = Fragile()
    store.away = True
    start(store)
    device.send([1], inference.to_json())
    for _ in range(5):
        assert store.attempted.acquire(timeout=PATIENCE_S)

    store.away = False
    device.wait_for_acks(1)

    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in told] == ["WARNING", "INFO"]
    assert "1 records wait, nothing is acknowledged" in told[0][1] and "the store is back" in told[1][1]


def test_what_cannot_be_acknowledged_is_counted_and_told_once(hub, device, inference, caplog):
    store, bus, metrics = MemoryStore(), Mute(hub), IngestMetrics()
    ingest = Ingest(bus, store, gather_s=0.0, metrics=metrics)
    caplog.set_level(logging.INFO, "cloud.intake.writing")
    ingest.start()
    for sequence in range(3):
        device.send([sequence], inference.to_json())
        wait_until(lambda count=sequence + 1: metrics.registry.get_sample_value(UNACKNOWLEDGED) == count)

    bus.mute = False
    device.send([0], inference.to_json())
    device.wait_for_acks(1)
    ingest.stop()

    told = [record.getMessage() for record in caplog.records if "acknowledged" in record.getMessage()]
    assert sequences(store) == [0, 1, 2]
    assert ["cannot be acknowledged" in line for line in told] == [True, False]


def test_nothing_is_acknowledged_while_the_store_is_away(start, device, inference):
    store = Fragile()
    store.away = True
    start(store)

    device.send([1], inference.to_json())

    for _ in range(3):
        assert store.attempted.acquire(timeout=PATIENCE_S)
    assert device.acks == []
    store.away = False
    assert device.wait_for_acks(1) == [Ack("boot-1", ((1, 1),))]
    assert sequences(store) == [1]


def test_a_repeat_changes_nothing_and_is_acknowledged_again(start, device, inference):
    store = MemoryStore()
    start(store)

    for run in ("first", "second"):
        device.send([1], replace(inference, run=run).to_json())
        device.wait_for_acks(1 if run == "first" else 2)

    assert [kept.body["run"] for kept in store.inferences(Selection())] == ["first"]


def test_batches_may_come_out_of_order(start, device, inference):
    store = MemoryStore()
    start(store)

    device.send([5, 6], inference.to_json())
    device.send([1, 2], inference.to_json())
    device.send([2, 3, 4, 5], inference.to_json())

    acknowledged = {n for ack in device.wait_for_acks(3) for first, last in ack.ranges for n in range(first, last + 1)}
    assert acknowledged == {1, 2, 3, 4, 5, 6}
    assert sequences(store) == [1, 2, 3, 4, 5, 6]


def test_messages_that_come_together_are_one_commit(start, device, inference):
    store = Fragile()
    start(store, gather_s=PATIENCE_S)

    for number in range(20):
        device.send(range(number * 100, number * 100 + 100), inference.to_json())

    device.wait_for_acks(20)
    assert store.commits == [2000]


def test_several_devices_and_boots_get_their_own_acknowledgement(start, hub, device, inference):
    other = Device(device.bus, "pi-2")
    start(MemoryStore(), gather_s=0.05)

    device.send([1], inference.to_json())
    device.send([1], inference.to_json(), boot="boot-2")
    other.send([9], inference.to_json())

    assert {ack.boot for ack in device.wait_for_acks(2)} == {"boot-1", "boot-2"}
    assert other.wait_for_acks(1) == [Ack("boot-1", ((9, 9),))]


def test_ingest_processes_that_share_write_each_batch_once(start, device, inference):
    store = Fragile()
    start(store, share=True)
    start(store, share=True)

    for number in range(10):
        device.send([number], inference.to_json())

    device.wait_for_acks(10)
    assert sum(store.commits) == 10
    assert sequences(store) == list(range(10))


def test_ingest_processes_that_share_telemetry_all_hear_what_devices_say_of_themselves(start, device):
    stores = [MemoryStore(), MemoryStore()]
    for store in stores:
        start(store, share=True)

    device.bus.publish(topics.availability("pi-1"), b"online", retain=True)

    wait_until(lambda: all(store.devices() for store in stores))


def test_old_samples_are_put_together_while_nothing_else_is_to_do(start, device):
    store = MemoryStore()
    sample = Sample(1.0, True, 30.0, 3.1, 5.2, 93_000.0, Provenance.MEASURED, 1_500_000, 51.5, False)
    store.write([Arrival("pi-1", "boot-1", 1, -1e9, sample.to_json(), sample)])

    start(store)

    wait_until(lambda: bool(list(store.sample_minutes("pi-1"))))


def test_a_flood_of_records_that_nobody_can_read_is_bounded_at_once(start, device, inference):
    store = MemoryStore()
    start(store, retention=Retention(most_dead_letters=20))
    device.send([1], inference.to_json())
    device.wait_for_acks(1)

    device.send_records([{"sequence": sequence} for sequence in range(2, 202)])
    device.wait_for_acks(2)

    assert store.count_dead_letters() == 20


def test_the_writer_is_alive_until_the_end(start):
    ingest = start(MemoryStore())

    assert ingest.alive
    ingest.stop()
    assert not ingest.alive


def test_two_ingest_processes_do_no_harm(start, device, inference):
    store = MemoryStore()
    start(store)
    start(store)

    device.send([1, 2], inference.to_json())

    assert device.wait_for_acks(2) == [Ack("boot-1", ((1, 2),))] * 2
    assert sequences(store) == [1, 2]


def test_measurements_are_kept_too(start, device, measurement):
    store = MemoryStore()
    start(store)

    device.send([1], measurement.to_json(), kind=RecordKind.MEASUREMENT)

    device.wait_for_acks(1)
    assert [kept.body for kept in store.measurements(Selection(run="profile"))] == [measurement.to_json()]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"no json",
        b"[" * 100_000,
        b'{"schema":1}',
        b'{"schema":99,"device":"pi-1","boot":"b","records":[]}',
        b'{"schema":1,"device":"pi-2","boot":"b","records":[]}',
        b'{"schema":1,"device":"pi-1","boot":"a b","records":[]}',
        b'{"schema":1,"device":"pi-1","boot":"b","records":{}}',
    ],
    ids=["empty", "text", "deep", "incomplete", "newer", "of another device", "boot", "no list"],
)
def test_a_malformed_batch_is_put_aside_with_one_line(start, device, inference, payload, caplog):
    store = MemoryStore()
    start(store)

    with caplog.at_level(logging.WARNING):
        device.send_raw(payload)
        device.send([1], inference.to_json())
        device.wait_for_acks(1)

    assert len(caplog.records) == 1
    assert "pi-1" in caplog.text
    assert sequences(store) == [1]
    (letter,) = store.dead_letters()
    assert (letter.topic, letter.device, letter.received_at) == (topics.telemetry("pi-1"), "pi-1", 42.0)
    assert letter.reason


@pytest.mark.parametrize(
    "record",
    [
        {"sequence": 2},
        {"sequence": 2, "kind": "poem", "body": {}},
        {"sequence": 2, "kind": "inference", "body": {}},
        {"sequence": 2, "kind": "inference", "body": []},
        {"sequence": 2, "kind": "measurement", "body": {"schema": 1}},
    ],
)
def test_a_malformed_record_is_put_aside_and_acknowledged(start, device, inference, record):
    store = MemoryStore()
    start(store)
    good = {"kind": "inference", "body": inference.to_json()}

    device.send_records([{"sequence": 1, **good}, record, {"sequence": 3, **good}])

    assert device.wait_for_acks(1) == [Ack("boot-1", ((1, 3),))]
    assert (sequences(store), store.count_dead_letters()) == ([1, 3], 1)


@pytest.mark.parametrize(
    "change", [{"run": "a\x00b"}, {"run": "x" * 201}, {"network": "a/b"}, {"strategy": "\ud800"}, {"at": "noon"}]
)
def test_a_record_that_no_database_could_keep_is_put_aside(start, device, inference, change):
    store = MemoryStore()
    start(store)

    body = {**inference.to_json(), **change}
    device.send_raw(
        b'{"schema":1,"device":"pi-1","boot":"boot-1","records":[{"sequence":1,"kind":"inference","body":%s}]}'
        % json.dumps(body).encode()
    )

    assert device.wait_for_acks(1) == [Ack("boot-1", ((1, 1),))]
    assert (sequences(store), store.count_dead_letters()) == ([], 1)


@pytest.mark.parametrize(
    "bad",
    [
        b'"fallback":"\\ud800"',
        b'"fallback":"a\\u0000b"',
        b'"fallback":"\xff"',
        b'"at":1e400',
        b'"at":NaN',
        b'"at":' + b"9" * 5000,
        b'"at":' + b"[" * 200 + b"]" * 200,
        b'"cost":{"provenance":{"\\ud800":"guessed"}}',
    ],
)
def test_one_bad_record_costs_no_other_of_its_batch(start, device, inference, bad):
    store = MemoryStore()
    start(store)
    good = json.dumps(inference.to_json()).encode()
    records = b",".join(
        b'{"sequence":%d,"kind":"inference","body":%s}' % (number, body)
        for number, body in ((1, good), (2, good[:-1] + b"," + bad + b"}"), (3, good))
    )

    device.send_raw(b'{"schema":1,"device":"pi-1","boot":"boot-1","records":[%s]}' % records)

    assert device.wait_for_acks(1) == [Ack("boot-1", ((1, 3),))]
    assert (sequences(store), store.count_dead_letters()) == ([1, 3], 1)


def test_a_measurement_in_the_name_of_another_device_is_put_aside(start, device, measurement):
    store = MemoryStore()
    start(store)

    device.send([1], replace(measurement, device="pi-2").to_json(), kind=RecordKind.MEASUREMENT)

    device.wait_for_acks(1)
    assert list(store.measurements(Selection())) == []
    assert store.count_dead_letters() == 1


@pytest.mark.parametrize(
    "record", [7, {}, {"sequence": -1}, {"sequence": 2**63}, {"sequence": True}, {"sequence": "1"}]
)
def test_a_record_without_a_sequence_is_dropped_and_holds_up_no_other(start, device, inference, record):
    store = MemoryStore()
    start(store)

    device.send_records([record, {"sequence": 3, "kind": "inference", "body": inference.to_json()}])

    assert device.wait_for_acks(1) == [Ack("boot-1", ((3, 3),))]


def test_a_record_that_this_database_cannot_keep_holds_up_no_other(start, device, inference):
    store = Picky()
    start(store)

    device.send(range(10, 20), inference.to_json())

    assert device.wait_for_acks(1) == [Ack("boot-1", ((10, 19),))]
    assert sequences(store) == [10, 11, 12, 14, 15, 16, 17, 18, 19]
    assert store.count_dead_letters() == 1


def test_jobs_of_a_newer_version_hold_up_no_telemetry(start, device, inference):
    store = Puzzled()
    store.add_device("pi-1", token_sha256="x")
    store.add_job("pi-1", Job("a", JobKind.RESTART), at=1.0)
    start(store)

    for sequence in range(1, 4):
        device.bus.publish(topics.job_reported("pi-1"), JobReport("a", JobState.SUCCEEDED).to_bytes())
        device.send([sequence], inference.to_json())
        device.wait_for_acks(sequence)

    assert sequences(store) == [1, 2, 3]


def test_availability_and_reports_are_kept(start, device):
    store = knowing("digits")
    start(store)
    report = TableReport("digits", "d" * 64, 2, TableState.APPLIED)

    device.bus.publish(topics.availability("pi-1"), b"online", retain=True)
    device.bus.publish(topics.reported("pi-1", "digits"), report.to_bytes(), retain=True)

    wait_until(lambda: store.reported("pi-1", "digits") == report)
    assert [(each.name, each.availability) for each in store.devices()] == [("pi-1", "online")]


def test_words_that_are_taken_off_the_broker_say_nothing(start, device, inference):
    store = MemoryStore()
    start(store)
    device.bus.publish(topics.availability("pi-1"), b"stopped", retain=True)

    for topic in (topics.availability("pi-1"), topics.reported("pi-1", "digits")):
        device.bus.publish(topic, b"", retain=True)
    device.send([1], inference.to_json())
    device.wait_for_acks(1)

    assert store.count_dead_letters() == 0
    assert [each.availability for each in store.devices()] == ["stopped"]


def test_a_device_that_said_goodbye_is_stopped_not_offline(start, device):
    store = MemoryStore()
    start(store)

    device.bus.publish(topics.availability("pi-1"), b"online", retain=True)
    device.bus.publish(topics.availability("pi-1"), b"stopped", retain=True)

    wait_until(lambda: [each.availability for each in store.devices()] == ["stopped"])


def test_what_was_retained_before_ingest_started_is_kept(start, device):
    store = MemoryStore()
    device.bus.publish(topics.availability("pi-1"), b"offline", retain=True)

    start(store)

    wait_until(lambda: [each.availability for each in store.devices()] == ["offline"])


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (topics.availability("pi-1"), b"maybe"),
        (topics.reported("pi-1", "digits"), b"{}"),
        (topics.reported("pi-1", "faces"), TableReport("digits", "d", 1, TableState.APPLIED).to_bytes()),
    ],
)
def test_malformed_words_of_a_device_are_dropped(start, device, inference, topic, payload):
    store = MemoryStore()
    start(store)

    device.bus.publish(topic, payload)
    device.send([1], inference.to_json())

    device.wait_for_acks(1)
    assert (store.reported("pi-1", "faces"), store.devices()[0].availability) == (None, "offline")


def test_stopping_writes_and_acknowledges_what_waits(start, device, inference):
    store = MemoryStore()
    ingest = start(store, gather_s=PATIENCE_S)

    device.send([1, 2], inference.to_json())
    ingest.stop()

    assert sequences(store) == [1, 2]
    assert device.acks == [Ack("boot-1", ((1, 2),))]


def test_stopping_does_not_wait_for_a_store_that_is_away(start, device, inference):
    store = Fragile()
    store.away = True
    ingest = start(store, retry_s=3600.0)
    device.send([1], inference.to_json())
    assert store.attempted.acquire(timeout=PATIENCE_S)

    ingest.stop()

    assert device.acks == []
    assert not any(thread.name == "ingest-writer" for thread in threading.enumerate())


def test_samples_are_kept_and_a_broken_one_is_put_aside(start, device):
    store = MemoryStore()
    start(store)
    sample = Sample(1.0, True, 30.0, 3.1, 5.2, 93_000.0, Provenance.MEASURED, 1_500_000, 51.5, False).to_json()

    device.send([1], sample, kind=RecordKind.SAMPLE)
    device.send([1], sample, kind=RecordKind.SAMPLE)
    device.send([2], sample | {"provenance": "guessed"}, kind=RecordKind.SAMPLE)

    device.wait_for_acks(3)
    assert [kept.sequence for kept in store.samples(Selection())] == [1]
    assert store.count_dead_letters() == 1


def job_list(hub: InMemoryHub) -> list[str]:
    payload = hub.retained.get(topics.job("pi-1"))
    return [job.id for job in JobList.from_bytes(payload).jobs] if payload else ["none yet"]


def test_a_job_that_has_ended_leaves_the_list_of_its_device(start, device, hub):
    store = MemoryStore()
    store.add_job("pi-1", Job("a", JobKind.RESTART), at=1.0)
    store.add_job("pi-1", Job("b", JobKind.RESTART), at=2.0)
    publish_jobs(store, BusPublisher(device.bus), device="pi-1")
    assert job_list(hub) == ["a", "b"]
    start(store)

    device.bus.publish(topics.job_reported("pi-1"), JobReport("a", JobState.IN_PROGRESS).to_bytes())
    device.bus.publish(topics.job_reported("pi-1"), JobReport("a", JobState.SUCCEEDED).to_bytes())

    wait_until(lambda: job_list(hub) == ["b"])
    assert store.job("pi-1", "a").ended_at == 42.0


def test_a_device_that_tells_again_of_an_ended_job_is_sent_its_list_again(start, device, hub):
    store = MemoryStore()
    store.add_job("pi-1", Job("a", JobKind.RESTART), at=1.0)
    start(store)
    device.bus.publish(topics.job_reported("pi-1"), JobReport("a", JobState.FAILED).to_bytes())
    wait_until(lambda: job_list(hub) == [])
    hub.retained.clear()

    device.bus.publish(topics.job_reported("pi-1"), JobReport("a", JobState.FAILED).to_bytes())

    wait_until(lambda: job_list(hub) == [])


def test_news_of_a_job_that_nobody_knows_is_dropped_with_a_word(start, device, inference, caplog):
    store = MemoryStore()
    start(store)

    with caplog.at_level(logging.INFO):
        device.bus.publish(topics.job_reported("pi-1"), JobReport("x", JobState.IN_PROGRESS).to_bytes())
        device.send([1], inference.to_json())
        device.wait_for_acks(1)

    assert any("job x" in message for message in caplog.messages)


def test_a_message_that_no_agent_sends_is_put_aside(start, device, inference):
    store = MemoryStore()
    start(store)

    device.send([1], {**inference.to_json(), "unknown": "x" * 1_100_000})
    device.send([2], inference.to_json())

    device.wait_for_acks(1)
    assert sequences(store) == [2]
    (letter,) = store.dead_letters()
    assert letter.reason.endswith("at most 1048576 are taken")
    assert len(letter.payload) == 10_000


def test_what_a_report_says_has_an_end(start, device):
    store = knowing("digits")
    start(store)
    applied = TableReport("digits", "d" * 64, 1, TableState.REJECTED, "because " * 1000)
    wrong = [replace(applied, digest=digest) for digest in ("d" * 65, "d" * 63, "D" * 64, "d" * 64 + "\n")]
    for report in (*wrong, replace(applied, failed="d" * 65), applied):
        device.bus.publish(topics.reported("pi-1", "digits"), report.to_bytes())

    wait_until(lambda: store.reported("pi-1", "digits") is not None)
    wait_until(lambda: store.count_dead_letters() == 5)

    assert store.reported("pi-1", "digits") == replace(applied, reason=("because " * 1000)[:2000])


@pytest.mark.parametrize(
    ("records", "pad", "weight"), [([], "", 1), ([{"kind": "sample"}] * 9, "", 1), ([], "x" * 10_240, 10)]
)
def test_every_message_weighs_something_where_it_waits(start, device, records, pad, weight):
    store = Fragile()
    store.away = True
    metrics = IngestMetrics()
    start(store, metrics=metrics, retry_s=PATIENCE_S)
    device.send([1], {})
    store.attempted.acquire(timeout=PATIENCE_S)

    content = {"schema": 1, "device": "pi-1", "boot": "boot-1", "records": records, "pad": pad}
    device.send_raw(canonical_bytes(content))

    assert metrics.registry.get_sample_value("dynasplit_ingest_waiting_records") == weight


def test_what_is_put_aside_weighs_what_is_kept_of_it(start, device):
    store = Fragile()
    store.away = True
    metrics = IngestMetrics()
    start(store, metrics=metrics, retry_s=PATIENCE_S)
    device.send([1], {})
    store.attempted.acquire(timeout=PATIENCE_S)

    device.send_raw(b"no json" * 100_000)

    assert metrics.registry.get_sample_value("dynasplit_ingest_waiting_records") == 10


NEWS = [
    (topics.availability("pi-13"), b"online"),
    (topics.reported("pi-13", "digits"), TableReport("digits", "d" * 64, 1, TableState.APPLIED).to_bytes()),
    (topics.job_reported("pi-13"), JobReport("x", JobState.FAILED, reason="no").to_bytes()),
]


@pytest.mark.parametrize(("topic", "payload"), NEWS)
def test_news_that_the_store_refuses_hold_up_no_other_of_their_gathering(start, device, inference, topic, payload):
    store = Choosy(InvalidInput("the database cannot keep this"))
    store.add_bundle("b" * 64, network="digits")
    start(store, gather_s=0.05)

    for sequence in range(1, 6):
        device.send([sequence], inference.to_json())
    device.bus.publish(topic, payload)
    for sequence in range(6, 9):
        device.send([sequence], inference.to_json())

    device.wait_for_acks(8)
    wait_until(lambda: store.count_dead_letters() == 1)
    assert sequences(store) == list(range(1, 9))
    (letter,) = store.dead_letters()
    assert (letter.device, letter.topic, letter.reason) == ("pi-13", topic, "the database cannot keep this")
    assert letter.payload == payload.decode()


def test_news_that_nobody_foresaw_cost_only_themselves(start, device, inference, caplog):
    store = Choosy(RuntimeError("what is this"))
    store.add_bundle("b" * 64, network="digits")
    start(store, gather_s=0.05)

    device.send([1], inference.to_json())
    device.bus.publish(*NEWS[1])
    device.send([2], inference.to_json())

    device.wait_for_acks(2)
    wait_until(lambda: "what is this" in caplog.text)
    assert (sequences(store), store.count_dead_letters()) == ([1, 2], 0)


def test_what_is_given_up_is_no_lag(start, device, caplog):
    store, metrics = Choosy(RuntimeError("what is this")), IngestMetrics()
    store.add_bundle("b" * 64, network="digits")
    start(store, metrics=metrics)

    device.bus.publish(*NEWS[1])

    wait_until(lambda: "what is this" in caplog.text)
    wait_until(lambda: metrics.registry.get_sample_value("dynasplit_ingest_lag_seconds") == 0.0)


@pytest.mark.parametrize("steps", [{"done": -1, "total": 5}, {"done": 0, "total": -1}])
def test_a_job_cannot_have_done_less_than_nothing(start, device, steps):
    store = MemoryStore()
    store.add_job("pi-1", Job("a", JobKind.RESTART), at=1.0)
    start(store)

    device.bus.publish(topics.job_reported("pi-1"), JobReport("a", JobState.IN_PROGRESS, **steps).to_bytes())

    wait_until(lambda: store.count_dead_letters() == 1)
    assert store.job("pi-1", "a").state is JobState.QUEUED


def test_a_report_on_a_network_of_which_nobody_knows_is_dropped_with_a_word(start, device, inference, caplog):
    store = knowing("digits")
    start(store)
    report = TableReport("made-up", "d" * 64, 1, TableState.APPLIED)

    with caplog.at_level(logging.INFO):
        device.bus.publish(topics.reported("pi-1", "made-up"), report.to_bytes(), retain=True)
        device.send([1], inference.to_json())
        device.wait_for_acks(1)

    assert any("network made-up" in message for message in caplog.messages)
    assert (store.reported("pi-1", "made-up"), store.count_dead_letters()) == (None, 0)


def test_a_record_that_no_agent_writes_is_put_aside_and_acknowledged(start, device, inference):
    store = MemoryStore()
    start(store)
    good = {"kind": "inference", "body": inference.to_json()}
    large = {"sequence": 2, "kind": "inference", "body": {**inference.to_json(), "unknown": "x" * 65_536}}

    device.send_records([{"sequence": 1, **good}, large, {"sequence": 3, **good}])

    assert device.wait_for_acks(1) == [Ack("boot-1", ((1, 3),))]
    assert sequences(store) == [1, 3]
    (letter,) = store.dead_letters()
    assert (letter.sequence, letter.reason.endswith("at most 65536 are kept")) == (2, True)
    assert len(letter.payload) <= 10_000
