"""What every store must answer to those who draw charts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from cloud.store.charts.port import Bucket, Grouping
from cloud.store.memory import MemoryStore
from cloud.store.port import Store
from cloud.store.records.port import Arrival, Selection
from cloud.store.sql import SqlStore
from protocol.configuration import Account, Configuration, Provenance
from protocol.measurement import Cost
from protocol.messages import Inference

MEASURED, ESTIMATED = Provenance.MEASURED, Provenance.ESTIMATED
COST = Cost(4.5, 2.5, 1.5, 8.5, 1000, 40, 12.0, 3.0, 60.0, None, {"head_mj": MEASURED, "cloud_node_mj": ESTIMATED})
INFERENCE = Inference(
    network="digits",
    bundle="b" * 64,
    strategy="dynasplit",
    account=Account.EDGE_NODE,
    configuration=Configuration(cut=3, cpu_khz=1_500_000),
    cost=COST,
    deadline_ms=50.0,
    violation=False,
    fallback="",
    refused="",
    table_digest="t" * 64,
    at=1_700_000_000.25,
    clock_synced=True,
)


@pytest.fixture
def store(migrated_or_memory) -> Iterator[Store]:
    made: Store = SqlStore(migrated_or_memory) if migrated_or_memory else MemoryStore()
    yield made
    made.close()


def arrival(sequence: int, received_at: float, *, device: str = "pi-1", **change) -> Arrival:
    content = replace(INFERENCE, **change)
    return Arrival(device, "boot-1", sequence, received_at, content.to_json(), content)


def test_inferences_are_summed_up_by_stretches_of_time(store):
    store.write([arrival(1, 7200.0), arrival(2, 10_799.9, violation=True), arrival(3, 10_800.0)])

    assert store.inference_buckets(Selection(), bucket_s=3600) == [
        Bucket(7200.0, "", 2, 1, {"measured": 30.0}, {"estimated": 120.0}),
        Bucket(10_800.0, "", 1, 0, {"measured": 15.0}, {"estimated": 60.0}),
    ]


def test_measured_and_estimated_energy_are_never_added_up(store):
    both = replace(COST, provenance={"head_mj": MEASURED, "wait_mj": ESTIMATED})
    store.write([arrival(1, 10.0), arrival(2, 11.0, cost=both), arrival(3, 12.0)])

    (bucket,) = store.inference_buckets(Selection(), bucket_s=60)

    assert bucket.edge_mj == {"estimated+measured": 15.0, "measured": 30.0}
    assert bucket.cloud_mj == {"": 60.0, "estimated": 120.0}


def test_a_refused_request_counts_without_energy(store):
    store.write([arrival(1, 10.0, configuration=None, cost=None, refused="hopeless", violation=True)])

    assert store.inference_buckets(Selection(), bucket_s=60) == [Bucket(0.0, "", 1, 1, {}, {})]


@pytest.mark.parametrize(
    ("by", "expected"),
    [(Grouping.DEVICE, [("pi-1", 2), ("pi-2", 1)]), (Grouping.NETWORK, [("digits", 2), ("faces", 1)])],
)
def test_buckets_are_told_apart_by_device_or_network(store, by, expected):
    store.write([arrival(1, 10.0), arrival(2, 11.0, network="faces"), arrival(3, 12.0, device="pi-2")])

    assert [(each.name, each.count) for each in store.inference_buckets(Selection(), bucket_s=60, by=by)] == expected


def test_buckets_hold_what_is_selected(store):
    store.write([arrival(number, float(number), run="a" if number % 2 else "") for number in range(10)])

    def count(selection: Selection) -> int:
        return sum(each.count for each in store.inference_buckets(selection, bucket_s=5))

    assert count(Selection(received_since=2.0, received_until=7.0)) == 5
    assert count(Selection(run="a")) == 5
    assert count(Selection(device="pi-9")) == 0
