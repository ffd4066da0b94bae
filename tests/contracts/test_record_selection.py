"""What every store promises of choosing records: in memory, SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from cloud.store.memory import MemoryStore
from cloud.store.port import Store
from cloud.store.records.port import Arrival, Selection
from cloud.store.sql import SqlStore
from protocol.configuration import Account, Configuration, Provenance
from protocol.link import REFERENCE_LINK
from protocol.measurement import Cost, Measurement
from protocol.messages import Inference
from protocol.samples import Sample

COST = Cost(4.5, 2.5, 1.5, 8.5, 1000, 40, 12.0, 3.0, 60.0, None, {"head_ms": Provenance.EMULATED})


def inference(number: int) -> Inference:
    return Inference(
        network="digits",
        bundle=("b" if number % 2 else "c") * 64,
        strategy="dynasplit" if number < 4 else "edge-only",
        account=Account.EDGE_NODE,
        configuration=Configuration(number, 1_500_000) if number else None,
        cost=COST,
        deadline_ms=50.0,
        violation=number % 3 == 0,
        fallback="",
        refused="",
        table_digest="t" * 64,
        at=1000.0 + number,
        clock_synced=True,
    )


def measurement(number: int) -> Measurement:
    return Measurement(
        Configuration(number, 1_500_000),
        COST,
        "digits",
        "b" * 64,
        "pi-1",
        "fake",
        REFERENCE_LINK,
        1000.0 + number,
        True,
    )


def sample(number: int) -> Sample:
    return Sample(1000.0 + number, True, 30.0, 3.1, 5.2, 93_000.0, Provenance.MEASURED, 1_500_000, 51.5, False)


@pytest.fixture
def store(migrated_or_memory: str | None) -> Iterator[Store]:
    """Six records of each kind, numbered 0 to 5; each came in 1000 s before it was made, two at a time."""
    made: Store = SqlStore(migrated_or_memory) if migrated_or_memory else MemoryStore()
    arrivals = []
    for start, make in ((0, inference), (10, measurement), (20, sample)):
        for number in range(6):
            content = make(number)
            arrivals.append(Arrival("pi-1", "boot", start + number, float(number // 2), content.to_json(), content))
    made.write(arrivals)
    yield made
    made.close()


def inferences(store: Store, limit: int | None = None, **selection) -> list[int]:
    return [kept.sequence for kept in store.inferences(Selection(**selection), limit=limit)]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({"bundle": "b" * 64}, [5, 3, 1]),
        ({"strategy": "edge-only"}, [5, 4]),
        ({"violation": True}, [3, 0]),
        ({"violation": False, "strategy": "edge-only"}, [5, 4]),
        ({"cut": 0}, []),
        ({"cut": 2}, [2]),
        ({"since": 1004.0}, [5, 4]),
        ({"until": 1002.0}, [1, 0]),
        ({"since": 1001.0, "until": 1003.0}, [2, 1]),
        ({"received_since": 1.0, "received_until": 2.0}, [3, 2]),
    ],
)
def test_inferences_are_chosen_by_what_they_say(store, selection, expected):
    assert inferences(store, **selection) == expected


def test_measurements_are_chosen_by_what_they_say(store):
    def numbers(**selection) -> list[int]:
        return [kept.sequence - 10 for kept in store.measurements(Selection(**selection))]

    assert numbers(cut=3) == [3]
    assert numbers(since=1004.0) == [4, 5]
    assert numbers(until=1002.0, bundle="b" * 64) == [0, 1]
    assert numbers(strategy="nobody", violation=True) == [0, 1, 2, 3, 4, 5]


def test_samples_are_chosen_by_their_device_and_times_alone(store):
    chosen = Selection(device="pi-1", since=1001.0, until=1004.0, network="x", cut=9, bundle="x", strategy="x")

    assert [kept.sequence - 20 for kept in store.samples(chosen)] == [3, 2, 1]


def test_reading_goes_on_after_a_place_in_either_order(store):
    first = list(store.inferences(Selection(), limit=3))
    early = list(store.measurements(Selection(), limit=3))

    assert inferences(store, after=first[-1].position) == [2, 1, 0]
    assert inferences(store, 2, after=first[-1].position) == [2, 1]
    rest = store.measurements(Selection(after=early[-1].position))
    assert [kept.sequence for kept in [*early, *rest]] == [10, 11, 12, 13, 14, 15]


def test_what_comes_in_meanwhile_moves_no_place(store):
    seen = list(store.inferences(Selection(), limit=2))
    content = inference(1)
    store.write([Arrival("pi-0", "boot", 99, 50.0, content.to_json(), replace(content, run="late"))])

    assert inferences(store, after=seen[-1].position) == [3, 2, 1, 0]


def test_throttled_devices_are_those_whose_latest_samples_say_so(store):
    for number, (device, throttled) in enumerate([("pi-2", True), ("pi-3", True), ("pi-4", False)]):
        content = replace(sample(0), throttled=throttled)
        at = 40.0 if device == "pi-3" else 60.0
        store.write([Arrival(device, "boot", number, at, content.to_json(), content)])

    assert store.throttled_devices(received_since=50.0) == ["pi-2"]
    assert store.throttled_devices(received_since=0.0) == ["pi-2", "pi-3"]
