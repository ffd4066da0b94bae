"""What every store of dead letters must do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloud.store.dead_letters.port import DeadLetter, letter_of_message
from cloud.store.memory import MemoryStore
from cloud.store.port import Store
from cloud.store.records.port import Arrival, Rejection
from cloud.store.sql import SqlStore


@pytest.fixture
def store(migrated_or_memory) -> Iterator[Store]:
    made: Store = SqlStore(migrated_or_memory) if migrated_or_memory else MemoryStore()
    yield made
    made.close()


def letter(payload: bytes = b"no json", *, device: str = "pi-1", received_at: float = 100.0) -> DeadLetter:
    topic = f"dynasplit/v1/{device}/telemetry"
    return letter_of_message(topic, payload, device=device, reason="not JSON", received_at=received_at)


def test_a_dead_letter_is_kept_with_its_reason(store):
    store.put_aside([letter()])

    (kept,) = store.dead_letters()

    assert kept == letter()
    assert (kept.topic, kept.payload, kept.reason) == ("dynasplit/v1/pi-1/telemetry", "no json", "not JSON")


def test_a_message_that_comes_again_is_kept_once(store):
    store.put_aside([letter(received_at=1.0), letter(received_at=2.0)])
    store.put_aside([letter(received_at=3.0)])

    assert [each.received_at for each in store.dead_letters()] == [1.0]
    assert store.count_dead_letters() == 1


def test_dead_letters_are_paged_latest_first_and_by_device(store):
    store.put_aside([letter(b"%d" % number, received_at=float(number // 2)) for number in range(6)])
    store.put_aside([letter(device="pi-2", received_at=9.0)])

    first = store.dead_letters(device="pi-1", limit=4)
    rest = store.dead_letters(device="pi-1", before=first[-1].position, limit=4)

    assert [each.received_at for each in first + rest] == [2.0, 2.0, 1.0, 1.0, 0.0, 0.0]
    assert len({each.digest for each in first + rest}) == 6
    assert [each.device for each in store.dead_letters(limit=1)] == ["pi-2"]


def test_a_payload_is_bounded_and_plain_text(store):
    store.put_aside([letter(b"\xff\0" * 20_000)])

    (kept,) = store.dead_letters()

    assert len(kept.payload) == 10_000
    assert kept.payload.startswith(r"\xff\0")


def test_the_oldest_go_when_there_are_too_many(store):
    store.put_aside([letter(b"%d" % number, received_at=float(number)) for number in range(10)])

    assert store.trim_dead_letters(most=10) == 0
    assert store.trim_dead_letters(most=3) == 7
    assert [each.received_at for each in store.dead_letters()] == [9.0, 8.0, 7.0]


def test_a_record_that_cannot_be_read_is_a_dead_letter_once(store):
    record = Arrival("pi-1", "boot-1", 7, 50.0, {"kind": "poem"}, Rejection("no such kind"))

    store.write([record])
    store.write([record])

    (kept,) = store.dead_letters()
    assert (kept.boot, kept.sequence, kept.payload, kept.reason) == ("boot-1", 7, '{"kind": "poem"}', "no such kind")
