"""What messages weigh where they wait."""

from __future__ import annotations

import json

import pytest

from cloud.intake.arrivals import read_batch
from cloud.intake.items import weight_of
from protocol import topics
from protocol.messages import Record, RecordKind, Telemetry


def weight(payload: bytes) -> int:
    return weight_of(read_batch(topics.telemetry("pi"), payload, received_at=1.0))


def batch(count: int, body) -> bytes:
    return Telemetry("pi", "boot", tuple(Record(each, RecordKind.INFERENCE, body) for each in range(count))).to_bytes()


def test_records_as_devices_send_them_weigh_one_each(inference):
    assert weight(batch(200, inference.to_json())) == 200


@pytest.mark.parametrize(("filling", "least"), [("x" * 60_000, 50), ([{}] * 20_000, 1_250), ([[[]]] * 10_000, 1_250)])
def test_a_large_record_weighs_as_much_as_small_ones_that_take_its_memory(inference, filling, least):
    assert weight(batch(1, {**inference.to_json(), "more": filling})) >= least


def test_a_message_of_nothing_weighs_one():
    empty = json.dumps({"schema": 1, "device": "pi", "boot": "boot", "records": []}).encode()

    assert weight(empty) == 1
