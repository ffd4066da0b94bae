"""What every store must do with records that grow old."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from cloud.store.dead_letters.port import letter_of_message
from cloud.store.memory import MemoryStore
from cloud.store.port import Store
from cloud.store.records.port import Arrival, Selection
from cloud.store.sql import SqlStore
from cloud.store.upkeep.port import Perishable
from protocol.configuration import Provenance
from protocol.samples import Sample

SAMPLE = Sample(1_700_000_040.0, True, 10.0, 3.0, 5.0, 30_000.0, Provenance.MEASURED, 1_500_000, 50.0, False)
MINUTE = 1_700_000_040


@pytest.fixture
def store(migrated_or_memory) -> Iterator[Store]:
    made: Store = SqlStore(migrated_or_memory) if migrated_or_memory else MemoryStore()
    yield made
    made.close()


def sampled(sequence: int, *, device: str = "pi-1", received_at: float = 100.0, **change) -> Arrival:
    content = replace(SAMPLE, **change)
    return Arrival(device, "boot-1", sequence, received_at, content.to_json(), content)


def test_samples_of_a_minute_become_one_with_means_sums_and_extremes(store):
    store.write(
        [
            sampled(1, mean_w=2.0, max_w=3.0, energy_mj=20_000.0, temperature_c=40.0, cpu_khz=600_000),
            sampled(2, at=MINUTE + 59.9, seconds=30.0, mean_w=4.0, max_w=9.0, energy_mj=120_000.0, throttled=True),
        ]
    )

    assert store.thin_samples(received_before=200.0) == 2

    (minute,) = store.sample_minutes("pi-1")
    assert (minute.minute, minute.count, minute.seconds, minute.energy_mj) == (MINUTE, 2, 40.0, 140_000.0)
    assert (minute.mean_w, minute.min_w, minute.max_w) == (3.5, 2.0, 9.0)
    assert (minute.mean_temperature_c, minute.max_temperature_c, minute.mean_cpu_khz) == (47.5, 50.0, 1_275_000)
    assert minute.throttled_share == 0.75
    assert list(store.samples(Selection())) == []


def test_measured_and_estimated_samples_are_never_put_together(store):
    store.write([sampled(1), sampled(2, provenance=Provenance.ESTIMATED), sampled(3, clock_synced=False)])

    store.thin_samples(received_before=200.0)

    found = {(minute.provenance, minute.clock_synced): minute.count for minute in store.sample_minutes("pi-1")}
    assert found == {("measured", True): 1, ("estimated", True): 1, ("measured", False): 1}


def test_a_stretch_without_a_meter_has_no_power_and_does_not_dilute_it(store):
    store.write([sampled(1), sampled(2, mean_w=None, max_w=None, energy_mj=None, temperature_c=None, cpu_khz=None)])

    store.thin_samples(received_before=200.0)

    (minute,) = store.sample_minutes("pi-1")
    assert (minute.count, minute.seconds, minute.metered_s) == (2, 20.0, 10.0)
    assert (minute.mean_w, minute.energy_mj, minute.mean_temperature_c) == (3.0, 30_000.0, 50.0)


def test_only_old_samples_are_thinned_in_small_steps_until_none_is_left(store):
    store.write([sampled(number, received_at=float(number)) for number in range(10)])

    steps = [store.thin_samples(received_before=8.0, limit=3) for _ in range(4)]

    assert steps == [3, 3, 2, 0]
    assert [kept.sequence for kept in store.samples(Selection())] == [9, 8]
    assert [minute.count for minute in store.sample_minutes("pi-1")] == [8]


def test_a_sample_that_comes_again_after_it_was_thinned_counts_once(store):
    for _ in range(2):
        store.write([sampled(1), sampled(2)])
        store.thin_samples(received_before=200.0)

    assert [minute.count for minute in store.sample_minutes("pi-1")] == [2]
    assert list(store.samples(Selection())) == []


def test_a_late_sample_joins_its_minute(store):
    store.write([sampled(1)])
    store.thin_samples(received_before=200.0)
    store.write([sampled(5, mean_w=5.0, received_at=300.0)])

    store.thin_samples(received_before=400.0)

    assert [(minute.count, minute.mean_w) for minute in store.sample_minutes("pi-1")] == [(2, 4.0)]


def test_minutes_are_of_a_device_and_latest_first(store):
    store.write([sampled(number, at=MINUTE + 60.0 * number) for number in range(5)] + [sampled(9, device="pi-2")])
    while store.thin_samples(received_before=200.0):
        pass

    minutes = [(minute.minute - MINUTE) // 60 for minute in store.sample_minutes("pi-1")]

    assert minutes == [4, 3, 2, 1, 0]
    assert len(list(store.sample_minutes("pi-1", since=MINUTE + 120.0))) == 3
    assert len(list(store.sample_minutes("pi-1", limit=2))) == 2
    assert len(list(store.sample_minutes("pi-2"))) == 1


def test_what_is_old_is_forgotten_in_small_steps(store):
    store.write([sampled(number, received_at=float(number)) for number in range(10)])

    steps = [store.forget(Perishable.SAMPLES, before=7.0, limit=4) for _ in range(3)]

    assert steps == [4, 3, 0]
    assert [kept.sequence for kept in store.samples(Selection())] == [9, 8, 7]


def test_minutes_are_forgotten_by_when_they_were(store):
    store.write([sampled(1), sampled(2, at=MINUTE + 60.0)])
    store.thin_samples(received_before=200.0)

    assert store.forget(Perishable.SAMPLES, before=MINUTE + 60.0) == 1
    assert [minute.minute for minute in store.sample_minutes("pi-1")] == [MINUTE + 60]


def test_dead_letters_are_forgotten(store):
    letters = [
        letter_of_message("t", b"%d" % number, device="pi-1", reason="", received_at=float(number))
        for number in range(4)
    ]
    store.put_aside(letters)

    assert store.forget(Perishable.DEAD_LETTERS, before=2.0) == 2
    assert store.forget(Perishable.INFERENCES, before=2.0) == 0
    assert store.count_dead_letters() == 2


@pytest.mark.exhaustive
def test_two_processes_that_thin_at_once_count_nothing_twice(database):
    stores = [SqlStore(database), SqlStore(database)]
    stores[0].write([sampled(number, at=MINUTE + number % 60) for number in range(600)])

    def thin(store: Store) -> None:
        for _ in range(200):
            store.thin_samples(received_before=200.0, limit=20)

    threads = [threading.Thread(target=thin, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    while stores[0].thin_samples(received_before=200.0):
        pass

    assert sum(minute.count for minute in stores[0].sample_minutes("pi-1")) == 600
    assert list(stores[0].samples(Selection())) == []
    for store in stores:
        store.close()


def test_a_sample_that_nobody_could_have_measured_stops_no_other(store):
    """As an earlier version kept them: their sum is no number any more."""
    store.write([sampled(1, seconds=1e308), sampled(2, seconds=1e308), sampled(3), sampled(4, device="pi-2")])

    while store.thin_samples(received_before=200.0):
        pass

    assert [minute.seconds for minute in store.sample_minutes("pi-1")] == [10.0]
    assert [minute.seconds for minute in store.sample_minutes("pi-2")] == [10.0]


def test_a_clock_that_stands_still_makes_one_minute_in_which_each_sample_counts_once(store):
    for first in (0, 30, 60):
        store.write([sampled(sequence, mean_w=float(sequence)) for sequence in range(first, first + 40)])
        assert store.thin_samples(received_before=200.0, limit=40) == 40

    (minute,) = store.sample_minutes("pi-1")
    assert (minute.count, minute.seconds, minute.energy_mj) == (100, 1000.0, 3_000_000.0)
    assert (minute.min_w, minute.max_w, minute.sources) == (0.0, 5.0, (("boot-1", 0, 99),))
    assert minute.mean_w == pytest.approx(49.5)
