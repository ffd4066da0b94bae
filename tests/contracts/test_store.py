"""What every store must do: in memory, in SQLite, in PostgreSQL."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import pytest

from cloud.intake.ingest import Ingest
from cloud.store.memory import MemoryStore
from cloud.store.port import Store
from cloud.store.records.port import Arrival, Kept, Rejection, Selection
from cloud.store.sql import SqlStore
from protocol import topics
from protocol.bus import InMemoryBus, InMemoryHub
from protocol.configuration import Account, Configuration, Provenance
from protocol.errors import Conflict, DynaSplitError, InvalidInput, NotFound, ServiceMissing
from protocol.link import REFERENCE_LINK
from protocol.measurement import Cost, Measurement
from protocol.messages import Ack, Inference, TableReport, TableState
from protocol.presence import Availability
from protocol.samples import Sample
from protocol.signing import SignedTable, generate_private_key, sign
from protocol.table import Row, Table

KEY = generate_private_key()
CONFIGURATION = Configuration(cut=3, cpu_khz=1_500_000)
COST = Cost(4.5, 2.5, 1.5, 8.5, 1000, 40, 12.0, 3.0, 60.0, None, {"head_ms": Provenance.EMULATED})
INFERENCE = Inference(
    network="digits",
    bundle="b" * 64,
    strategy="dynasplit",
    account=Account.EDGE_NODE,
    configuration=CONFIGURATION,
    cost=COST,
    deadline_ms=50.0,
    violation=False,
    fallback="",
    refused="",
    table_digest="t" * 64,
    at=1_700_000_000.25,
    clock_synced=True,
    run="evening",
    predicted_ms=8.0,
)
MEASUREMENT = Measurement(
    configuration=CONFIGURATION,
    cost=COST,
    network="digits",
    bundle="b" * 64,
    device="pi-1",
    runtime="fake",
    link=REFERENCE_LINK,
    at=1_700_000_000.5,
    clock_synced=False,
    run="profile",
)

SAMPLE = Sample(1_700_000_000.0, True, 30.0, 3.1, 5.2, 93_000.0, Provenance.MEASURED, 1_500_000, 51.5, False)

MakeStore = Callable[[], Store]


@pytest.fixture
def store(migrated_or_memory) -> Iterator[Store]:
    made: Store = SqlStore(migrated_or_memory) if migrated_or_memory else MemoryStore()
    yield made
    made.close()


@pytest.fixture
def another(database) -> Iterator[MakeStore]:
    """Makes stores on one empty database, as several processes do."""
    made: list[Store] = []

    def make() -> Store:
        made.append(SqlStore(database))
        return made[-1]

    yield make
    for each in made:
        each.close()


def arrival(
    sequence: int, *, device: str = "pi-1", boot: str = "boot-1", received_at: float = 100.0, **change
) -> Arrival:
    content = replace(INFERENCE, **change)
    return Arrival(device, boot, sequence, received_at, content.to_json(), content)


def measured(sequence: int, *, received_at: float = 100.0, **change) -> Arrival:
    content = replace(MEASUREMENT, **change)
    return Arrival(content.device, "boot-1", sequence, received_at, content.to_json(), content)


def sampled(sequence: int, *, device: str = "pi-1", received_at: float = 100.0, **change) -> Arrival:
    content = replace(SAMPLE, **change)
    return Arrival(device, "boot-1", sequence, received_at, content.to_json(), content)


def table(version: int = 0, *, network: str = "digits", device: str = "pi-1", head_ms: float = 4.5) -> Table:
    row = Row(CONFIGURATION, head_ms, 12.0, 2.5, 1000, 40, 1.5, 60.0, None, 0.98)
    return Table(network, "b" * 64, device, REFERENCE_LINK, (row,), version)


def signed(version: int, **change) -> SignedTable:
    return sign(table(version, **change), KEY)


def at_once(actions: list[Callable[[], object]]) -> list[object]:
    """What the actions return or raise when threads start them together."""
    barrier, results = threading.Barrier(len(actions)), [None] * len(actions)

    def act(place: int) -> None:
        barrier.wait(timeout=20)
        try:
            results[place] = actions[place]()
        except DynaSplitError as error:
            results[place] = error

    threads = [threading.Thread(target=act, args=(place,)) for place in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    return results


def test_a_fresh_store_is_ready_and_empty(store):
    store.ready()

    assert store.devices() == []
    assert store.bundles() == []
    assert store.drafts() == []
    assert store.unpublished_desired() == []
    assert list(store.inferences(Selection())) == []
    assert (store.count_inferences(), store.count_dead_letters()) == (0, 0)


def test_a_device_is_found_by_its_token_until_it_is_removed(store):
    store.add_device("pi-1", token_sha256="1" * 64)
    store.add_device("pi-2", token_sha256="2" * 64)

    assert store.device_with_token("2" * 64) == "pi-2"
    assert store.device_with_token("3" * 64) is None
    store.remove_device("pi-2", at=9.0)
    assert store.device_with_token("2" * 64) is None
    store.add_device("pi-2", token_sha256="4" * 64)
    assert store.device_with_token("4" * 64) == "pi-2"


def test_a_name_is_registered_once(store):
    store.add_device("pi-1", token_sha256="1" * 64)

    with pytest.raises(Conflict, match="pi-1"):
        store.add_device("pi-1", token_sha256="2" * 64)
    assert store.device_with_token("1" * 64) == "pi-1"


def test_removing_an_unknown_device_says_so(store):
    with pytest.raises(NotFound, match="pi-9"):
        store.remove_device("pi-9", at=9.0)


def test_devices_tell_their_presence_registered_or_not(store):
    store.add_device("b-registered", token_sha256="1" * 64)
    store.note_availability("a-heard-of", Availability.ONLINE, at=50.0)

    heard, registered = store.devices()

    assert (heard.name, heard.registered, heard.availability, heard.last_seen) == ("a-heard-of", False, "online", 50.0)
    assert (registered.name, registered.registered, registered.availability, registered.last_seen) == (
        "b-registered",
        True,
        "offline",
        None,
    )


def test_a_repeated_availability_does_not_count_as_seeing_the_device(store):
    store.note_availability("pi-1", Availability.ONLINE, at=50.0)
    store.note_availability("pi-1", Availability.ONLINE, at=60.0)
    assert store.devices()[0].last_seen == 50.0

    store.note_availability("pi-1", Availability.STOPPED, at=70.0)

    assert (store.devices()[0].availability, store.devices()[0].last_seen) == ("stopped", 70.0)


def test_what_came_in_before_the_clock_was_set_back_is_older_than_what_comes_now(store):
    applied = TableReport("digits", "d" * 64, 1, TableState.APPLIED)
    rolled_back = TableReport("digits", "e" * 64, 0, TableState.ROLLED_BACK, "late", failed="d" * 64)
    store.note_availability("pi-1", Availability.ONLINE, at=1000.0, now=1000.1)
    store.note_report("pi-1", applied, at=1000.0, now=1000.1)

    store.note_availability("pi-1", Availability.OFFLINE, at=400.0, now=400.1)
    store.note_report("pi-1", rolled_back, at=400.0, now=400.1)

    assert store.devices()[0].availability == "offline"
    assert store.reported("pi-1", "digits") == rolled_back


def test_what_another_process_notes_late_changes_nothing(store):
    rejected = TableReport("digits", "e" * 64, 2, TableState.REJECTED, "another bundle")
    store.note_availability("pi-1", Availability.OFFLINE, at=20.0, now=20.1)
    store.note_report("pi-1", rejected, at=20.0, now=20.1)

    store.note_availability("pi-1", Availability.ONLINE, at=10.0, now=30.0)
    store.note_report("pi-1", TableReport("digits", "d" * 64, 1, TableState.APPLIED), at=10.0, now=30.0)

    assert store.devices()[0].availability == "offline"
    assert store.reported("pi-1", "digits") == rejected


def test_a_report_that_is_told_again_came_in_when_it_was_told_first(store):
    report = TableReport("digits", "e" * 64, 0, TableState.ROLLED_BACK, "späte Antworten", failed="d" * 64)

    for at in (10.0, 5000.0):
        store.note_report("pi-1", report, at=at, now=at)

    assert store.reports("digits")["pi-1"].at == 10.0


def test_records_count_as_seeing_their_device_and_leave_its_availability(store):
    store.note_availability("pi-1", Availability.ONLINE, at=50.0)

    store.write([arrival(1, received_at=80.0), arrival(1, device="pi-2", received_at=90.0)])

    assert [(device.name, device.availability, device.last_seen) for device in store.devices()] == [
        ("pi-1", "online", 80.0),
        ("pi-2", "offline", 90.0),
    ]


def test_bundles_of_a_network_are_numbered_from_one(store):
    first = store.add_bundle("a" * 64, network="digits")
    other = store.add_bundle("b" * 64, network="faces")
    second = store.add_bundle("c" * 64, network="digits")

    assert (first.version, other.version, second.version) == (1, 1, 2)
    assert store.add_bundle("a" * 64, network="digits") == first
    assert store.bundles() == [first, second, other]


def test_bundles_serve_until_they_are_unloaded(store):
    for digest in ("a" * 64, "b" * 64):
        store.add_bundle(digest, network="digits")

    store.set_loaded(["b" * 64, "9" * 64], loaded=False)
    assert [bundle.loaded for bundle in store.bundles()] == [True, False]
    store.set_loaded(["b" * 64], loaded=True)
    assert [bundle.loaded for bundle in store.bundles()] == [True, True]


def test_the_newest_signed_table_is_desired(store):
    store.set_desired(signed(1))
    store.set_desired(signed(2))
    store.set_desired(signed(1, network="faces"))

    desired = store.desired("pi-1", "digits")

    assert desired is not None
    assert desired.signed.table == table(2)
    assert store.desired("pi-2", "digits") is None
    assert store.unpublished_desired() == [("pi-1", "digits"), ("pi-1", "faces")]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_version_that_is_not_newer_is_refused(store, version):
    store.set_desired(signed(3))
    store.note_published("pi-1", "digits", digest=signed(3).table.digest)

    with pytest.raises(Conflict, match="not newer than 3; sign it again under version 4"):
        store.set_desired(signed(version))
    desired = store.desired("pi-1", "digits")
    assert desired is not None
    assert desired.signed.table.version == 3


def test_a_table_that_was_not_published_may_come_again(store):
    store.set_desired(signed(3))

    store.set_desired(signed(3))

    with pytest.raises(Conflict):
        store.set_desired(signed(3, head_ms=9.0))


def test_publishing_is_noted_for_the_very_table(store):
    store.set_desired(signed(1))
    store.set_desired(signed(2))

    store.note_published("pi-1", "digits", digest=signed(1).table.digest)
    assert store.unpublished_desired() == [("pi-1", "digits")]
    store.note_published("pi-1", "digits", digest=signed(2).table.digest)
    assert store.unpublished_desired() == []


def test_of_two_tables_of_one_version_at_once_one_wins(store):
    contenders = [signed(2, head_ms=float(number)) for number in range(1, 5)]

    results = at_once([partial(store.set_desired, each) for each in contenders])

    winners = [each for each, result in zip(contenders, results, strict=True) if result is None]
    desired = store.desired("pi-1", "digits")
    assert desired is not None
    assert [each.table.digest for each in winners] == [desired.signed.table.digest]
    assert sum(isinstance(result, Conflict) for result in results) == len(contenders) - 1


def test_the_latest_report_of_a_device_is_kept(store):
    store.note_report("pi-1", TableReport("digits", "d" * 64, 1, TableState.APPLIED), at=10.0)
    rejected = TableReport("digits", "e" * 64, 2, TableState.REJECTED, "another bundle")

    store.note_report("pi-1", rejected, at=20.0)

    assert store.reported("pi-1", "digits") == rejected
    assert store.reported("pi-1", "faces") is None
    assert store.reported("pi-2", "digits") is None


def test_an_inference_is_kept_as_it_was_sent(store):
    body = {**INFERENCE.to_json(), "from_a_newer_agent": [1, "ü", None]}

    store.write([Arrival("pi-1", "boot-1", 7, 123.5, body, INFERENCE)])

    assert list(store.inferences(Selection())) == [Kept("pi-1", "boot-1", 7, 123.5, body)]


def test_a_measurement_is_kept_as_it_was_sent(store):
    store.write([measured(7)])

    (kept,) = store.measurements(Selection())

    assert Measurement.from_json(kept.body) == MEASUREMENT
    assert store.count_inferences() == 0


def test_a_refused_request_without_configuration_is_kept(store):
    store.write([arrival(1, configuration=None, cost=None, violation=True, refused="hopeless")])

    (kept,) = store.inferences(Selection())

    assert Inference.from_json(kept.body).refused == "hopeless"


def test_odd_text_of_a_device_is_kept(store):
    store.write([arrival(1, fallback="a\x00b \ud800 🙂")])

    (kept,) = store.inferences(Selection())

    assert kept.body["fallback"] == "a\x00b \ud800 🙂"


def test_a_repeat_changes_nothing(store):
    store.write([arrival(1, received_at=100.0)])

    store.write(
        [arrival(1, received_at=200.0, run="changed"), arrival(2, received_at=200.0), arrival(2, received_at=200.0)]
    )

    kept = list(store.inferences(Selection()))
    assert [(each.sequence, each.received_at, each.body["run"]) for each in kept] == [
        (2, 200.0, "evening"),
        (1, 100.0, "evening"),
    ]


def test_an_identity_is_device_boot_and_sequence(store):
    store.write([arrival(1), arrival(1, device="pi-2"), arrival(1, boot="boot-2")])

    assert store.count_inferences() == 3


def test_inferences_come_latest_first_and_are_counted_by_run(store):
    store.write([arrival(number, received_at=float(number), run="a" if number % 2 else "b") for number in range(1, 8)])

    assert [each.sequence for each in store.inferences(Selection(run="a"))] == [7, 5, 3, 1]
    assert [each.sequence for each in store.inferences(Selection(), limit=2)] == [7, 6]
    assert (store.count_inferences(), store.count_inferences(run="b"), store.count_inferences(run="c")) == (7, 3, 0)


def test_records_are_selected_by_all_given_values(store):
    store.write(
        [
            measured(1),
            measured(2, network="faces"),
            measured(3, bundle="c" * 64),
            measured(4, device="pi-2"),
            measured(5, run="night"),
        ]
    )

    assert [each.sequence for each in store.measurements(Selection(network="faces"))] == [2]
    assert [each.sequence for each in store.measurements(Selection(bundle="c" * 64))] == [3]
    assert [each.sequence for each in store.measurements(Selection(device="pi-2"))] == [4]
    assert [each.sequence for each in store.measurements(Selection(run="profile", device="pi-1"))] == [1, 2, 3]
    assert list(store.measurements(Selection(network="faces", run="night"))) == []


def test_what_came_in_before_a_time_is_left_out(store):
    store.write([arrival(number, received_at=float(number)) for number in range(1, 6)])
    store.write([measured(number, received_at=float(number)) for number in range(11, 14)])

    assert [each.sequence for each in store.inferences(Selection(received_since=3.0))] == [5, 4, 3]
    assert [each.sequence for each in store.inferences(Selection(received_since=3.5, device="pi-1"), limit=1)] == [5]
    assert [each.sequence for each in store.measurements(Selection(received_since=12.0))] == [12, 13]
    assert list(store.inferences(Selection(received_since=6.0))) == []
    assert [each.sequence for each in store.inferences(Selection(received_since=2.0, received_until=4.0))] == [3, 2]
    assert [each.sequence for each in store.measurements(Selection(received_until=12.0))] == [11]


@pytest.mark.exhaustive
def test_more_records_than_a_page_are_read_once_each(store):
    store.write([arrival(number, received_at=float(number // 100)) for number in range(2500)])

    everything = [each.sequence for each in store.inferences(Selection())]
    latest = [each.sequence for each in store.inferences(Selection(), limit=1500)]

    assert everything == sorted(range(2500), reverse=True)
    assert latest == everything[:1500]


def test_measurements_come_in_the_order_of_their_coming(store):
    store.write([measured(2, received_at=1.0), measured(1, received_at=2.0), measured(3, received_at=2.0)])

    assert [each.sequence for each in store.measurements(Selection())] == [2, 1, 3]


def test_rejected_records_are_put_aside_and_counted(store):
    refused = Arrival("pi-1", "boot-1", 4, 100.0, {"kind": "poem"}, Rejection("kind must be …"))

    store.write([refused, refused, arrival(5)])
    store.write([refused])

    assert (store.count_dead_letters(), store.count_inferences()) == (1, 1)


@pytest.mark.parametrize("text", ["\ud800", "a\x00b"], ids=["half a surrogate pair", "NUL"])
@pytest.mark.parametrize("field", ["fallback", "run", "network", "refused"])
def test_telemetry_with_text_that_cannot_be_stored_is_acknowledged_and_put_aside(store, field, text):
    hub, acks = InMemoryHub(), queue.SimpleQueue()
    device = InMemoryBus(hub)
    device.subscribe(topics.ack("pi-1"), lambda _topic, payload: acks.put(Ack.from_bytes(payload)))
    device.start()
    ingest = Ingest(InMemoryBus(hub), store, gather_s=0.001)
    ingest.start()
    bodies = (INFERENCE.to_json(), INFERENCE.to_json() | {field: text})
    records = [{"sequence": number, "kind": "inference", "body": body} for number, body in enumerate(bodies)]
    batch = {"schema": 1, "device": "pi-1", "boot": "boot-1", "records": records}

    device.publish(topics.telemetry("pi-1"), json.dumps(batch).encode())

    acknowledged = acks.get(timeout=20)
    ingest.stop()
    assert acknowledged == Ack("boot-1", ((0, 1),))
    assert (store.count_inferences(), store.count_dead_letters()) == (1, 1)


@pytest.mark.parametrize("text", ["\ud800", "a\x00b"], ids=["half a surrogate pair", "NUL"])
def test_a_reason_that_the_database_cannot_keep_is_told_or_kept(store, text):
    refused = Arrival("pi-1", "boot-1", 4, 100.0, {"text": text}, Rejection(f"because of {text}"))

    try:
        store.write([refused])
    except InvalidInput:
        assert store.count_dead_letters() == 0
    else:
        assert store.count_dead_letters() == 1


def test_writers_of_the_same_records_at_once_agree(store):
    batches = [[arrival(number) for number in range(50)][::direction] for direction in (1, -1, 1, -1)]

    results = at_once([partial(store.write, batch) for batch in batches])

    assert results == [None] * 4
    assert store.count_inferences() == 50


def test_processes_that_start_at_once_share_one_database(another):
    results = at_once([another().ready for _ in range(4)])

    assert results == [None] * 4


def test_a_second_process_sees_what_the_first_committed(another):
    first, second = another(), another()
    first.add_device("pi-1", token_sha256="1" * 64)
    first.write([arrival(1)])

    assert second.device_with_token("1" * 64) == "pi-1"
    assert second.count_inferences() == 1


def test_bundles_added_by_processes_at_once_get_different_versions(another):
    adding = [partial(another().add_bundle, f"{number}" * 64, network="digits") for number in range(4)]

    added = at_once(adding)

    assert sorted(bundle.version for bundle in added) == [1, 2, 3, 4]


def test_what_the_database_cannot_keep_is_told_and_nothing_is_kept(another):
    made = another()
    broken = Arrival("pi-1", "boot-1", 2**70, 100.0, {}, INFERENCE)

    with pytest.raises(InvalidInput, match="cannot keep"):
        made.write([arrival(1), broken])
    assert made.count_inferences() == 0


@pytest.mark.parametrize(
    "url", ["sqlite:////proc/nowhere/store.sqlite", "postgresql://nobody@127.0.0.1:1/none", "sqlite:////proc/version"]
)
def test_a_database_that_is_away_is_a_missing_service(url):
    away = SqlStore(url)

    with pytest.raises(ServiceMissing, match=r"database|folder"):
        away.ready()
    with pytest.raises(ServiceMissing):
        away.write([arrival(1)])
    away.close()


def test_a_file_that_is_no_database_is_a_missing_service(tmp_path):
    (tmp_path / "store.sqlite").write_bytes(b"garbage " * 1000)
    damaged = SqlStore(f"sqlite:///{tmp_path}/store.sqlite")

    with pytest.raises(ServiceMissing, match="not a database"):
        damaged.ready()
    damaged.close()


def test_a_password_is_never_told():
    away = SqlStore("postgresql://user:hunter2@127.0.0.1:1/none")
    with pytest.raises(ServiceMissing) as caught:
        away.ready()
    away.close()

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["mysql://host/name", "no url", "sqlite://", "sqlite:///:memory:"])
def test_an_unusable_database_url_is_refused(url):
    with pytest.raises(InvalidInput):
        SqlStore(url)


def test_samples_are_kept_once_and_read_latest_first(store):
    store.write([sampled(1, received_at=100.0), sampled(2, received_at=200.0, mean_w=None)])
    store.write([sampled(2, received_at=300.0), sampled(3, device="pi-2", received_at=300.0)])

    assert [kept.sequence for kept in store.samples(Selection(device="pi-1"))] == [2, 1]
    assert [kept.sequence for kept in store.samples(Selection(device="pi-1"), limit=1)] == [2]
    assert [kept.sequence for kept in store.samples(Selection(received_since=200.0))] == [3, 2]
    assert Sample.from_json(next(store.samples(Selection(device="pi-2"))).body) == SAMPLE


def test_samples_are_neither_inferences_nor_measurements(store):
    store.write([sampled(1)])

    assert (store.count_inferences(), list(store.measurements(Selection()))) == (0, [])
