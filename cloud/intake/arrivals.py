"""Reading telemetry: what can be kept of a batch, and what each record says."""

from __future__ import annotations

import json
import marshal
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from cloud.store.records.port import Arrival, Content, Rejection
from protocol import topics
from protocol.documents import canonical_bytes, check_schema, field, parse_object
from protocol.errors import InvalidInput
from protocol.measurement import Measurement
from protocol.messages import SCHEMA, Ack, Inference, Record, RecordKind
from protocol.samples import Sample

_MOST_SEQUENCE = 2**63 - 1
_MOST_TAG = 200
_MOST_NAME = 64
_MOST_EVIDENCE = 10_000
_MOST_DIGITS = 1_000
_WITHOUT_REFERENCES = 2
"""The version of Python's marshal format that writes out what stands in a value twice."""
_MOST_RECORD_BYTES = 64 * 1024
"""Devices send less than one; what is kept of a record is told whole in each page of them."""


@dataclass(frozen=True)
class Batch:
    """The records of one message of `size_bytes` and so many `containers` (objects and lists).

    `unidentified` counts the records without a sequence, which nobody can acknowledge.
    """

    device: str
    boot: str
    arrivals: tuple[Arrival, ...]
    unidentified: int = 0
    size_bytes: int = 0
    containers: int = 0

    @property
    def ack(self) -> Ack:
        """What to tell the device once all of it is committed."""
        return Ack.of(self.boot, (arrival.sequence for arrival in self.arrivals))


def read_batch(topic: str, payload: bytes, *, received_at: float) -> Batch:
    """A batch from its message; InvalidInput when it is not one, or speaks for another device than its topic.

    A single record that cannot be read becomes a Rejection: it is acknowledged, or it would be sent for ever.
    """
    content, sound = _parsed(payload)
    check_schema(content, current=SCHEMA, what="telemetry")
    device = topics.device_of(topic)
    stated = field(content, "device", str, what="telemetry")
    if stated != device:
        raise InvalidInput(f"telemetry on the topic of '{device}' says that it is of {stated!r:.64}")
    boot = topics.check_name(field(content, "boot", str, what="telemetry"), what="telemetry: boot")
    records = field(content, "records", list, what="telemetry")
    readings = (_arrival, _doubtful_arrival)
    plainly, doubtfully = (partial(read, device=device, boot=boot, received_at=received_at) for read in readings)
    small = len(payload) <= _MOST_RECORD_BYTES
    arrivals = [plainly(each) if sound and (small or _is_small(each)) else doubtfully(each) for each in records]
    kept = tuple(arrival for arrival in arrivals if arrival)
    containers = payload.count(b"{") + payload.count(b"[")
    unidentified = len(arrivals) - len(kept)
    return Batch(device, boot, kept, unidentified=unidentified, size_bytes=len(payload), containers=containers)


def _parsed(payload: bytes) -> tuple[dict[str, Any], bool]:
    """The message, and whether all of it can be stored: one bad record must not cost the others of its batch."""
    try:
        return parse_object(payload, what="telemetry"), True
    except InvalidInput:
        text = payload.decode("utf-8-sig", "surrogateescape")
        try:
            content = json.loads(text, parse_int=_integer)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise
        return content, False


def _integer(digits: str) -> int | float:
    """Python makes no integer of thousands of digits; as infinity it is refused with the record that holds it."""
    return int(digits) if len(digits) <= _MOST_DIGITS else float("inf")


def _is_small(record: Any) -> bool:
    """By another form of about as many bytes, which takes a tenth of the time that JSON does."""
    return len(marshal.dumps(record, _WITHOUT_REFERENCES)) <= _MOST_RECORD_BYTES // 2


def _doubtful_arrival(record: object, *, device: str, boot: str, received_at: float) -> Arrival | None:
    """A record of a batch that holds something that cannot be stored, or may: when it is in this one, its text is put aside."""
    try:
        if (size_bytes := len(canonical_bytes(record))) > _MOST_RECORD_BYTES:
            raise InvalidInput(f"a record of {size_bytes} bytes; at most {_MOST_RECORD_BYTES} are kept")
        return _arrival(record, device=device, boot=boot, received_at=received_at)
    except InvalidInput as error:
        sequence = _sequence(record)
        if sequence is None:
            return None
        return Arrival(device, boot, sequence, received_at, _evidence(record), _rejection(error))


def _evidence(record: object) -> dict[str, str]:
    """The beginning of a record's JSON, escaped to ASCII, which every store can hold."""
    try:
        return {"text": json.dumps(record)[:_MOST_EVIDENCE]}
    except RecursionError:
        return {}


def _rejection(error: InvalidInput) -> Rejection:
    """Its reason may quote what cannot be stored."""
    return Rejection(str(error).encode("utf-8", "backslashreplace").decode().replace("\0", r"\0"))


def _sequence(record: object) -> int | None:
    sequence = record.get("sequence") if isinstance(record, Mapping) else None
    return sequence if type(sequence) is int and 0 <= sequence <= _MOST_SEQUENCE else None


def _arrival(record: object, *, device: str, boot: str, received_at: float) -> Arrival | None:
    sequence = _sequence(record)
    if sequence is None or not isinstance(record, Mapping):
        return None
    body: Mapping[str, Any] = record
    content: Content
    try:
        body, content = _content(record, device)
    except InvalidInput as error:
        content = _rejection(error)
    return Arrival(device, boot, sequence, received_at, body, content)


def _content(record: Mapping[str, Any], device: str) -> tuple[Mapping[str, Any], Content]:
    parsed = Record.from_json(record)
    match parsed.kind:
        case RecordKind.INFERENCE:
            return parsed.body, _inference(parsed.body)
        case RecordKind.MEASUREMENT:
            return parsed.body, _measurement(parsed.body, device)
        case RecordKind.SAMPLE:
            return parsed.body, Sample.from_json(parsed.body)


def _inference(body: Mapping[str, Any]) -> Inference:
    inference = Inference.from_json(body)
    _check_text(inference.strategy, what="strategy", most=_MOST_NAME)
    _check_subject(inference.network, inference.run)
    return inference


def _measurement(body: Mapping[str, Any], device: str) -> Measurement:
    measurement = Measurement.from_json(body)
    _check_text(measurement.bundle, what="bundle", most=_MOST_NAME)
    if measurement.device != device:
        raise InvalidInput(f"the measurement says that it is of {measurement.device!r:.64}, not of '{device}'")
    _check_subject(measurement.network, measurement.run)
    return measurement


def _check_subject(network: str, run: str) -> None:
    topics.check_name(network, what="network")
    _check_text(run, what="run", most=_MOST_TAG)


def _check_text(text: str, *, what: str, most: int) -> None:
    """What databases can keep and search: printable, and no longer than its column."""
    if len(text) > most or not text.isprintable():
        raise InvalidInput(f"'{what}' must be at most {most} printable characters, not {text!r:.60}")
