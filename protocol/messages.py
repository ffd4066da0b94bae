"""Messages on the bus: telemetry with its acknowledgement, and what a device reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from protocol.configuration import Account, Configuration, choose
from protocol.documents import canonical_bytes, check_schema, checked, field, parse_object
from protocol.errors import InvalidInput
from protocol.measurement import Cost
from protocol.request_ids import is_request_id

SCHEMA = 1


class RecordKind(StrEnum):
    """What a record is about."""

    INFERENCE = "inference"
    MEASUREMENT = "measurement"
    SAMPLE = "sample"


@dataclass(frozen=True)
class Record:
    """One thing worth keeping. Its identity is (device, boot, sequence): a repeat changes nothing."""

    sequence: int
    kind: RecordKind
    body: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {"sequence": self.sequence, "kind": self.kind.value, "body": dict(self.body)}

    @classmethod
    def from_json(cls, content: object) -> Record:
        if not isinstance(content, Mapping):
            raise InvalidInput("telemetry: a record must be an object")
        return cls(
            sequence=field(content, "sequence", int, what="record"),
            kind=choose(RecordKind, content.get("kind"), what="record: 'kind'"),
            body=field(content, "body", dict, what="record"),
        )


@dataclass(frozen=True)
class Telemetry:
    """A batch of records of one device and boot (a UUID per start of the agent)."""

    device: str
    boot: str
    records: tuple[Record, ...]

    def to_bytes(self) -> bytes:
        return canonical_bytes(
            {
                "schema": SCHEMA,
                "device": self.device,
                "boot": self.boot,
                "records": [record.to_json() for record in self.records],
            }
        )

    @classmethod
    def from_bytes(cls, payload: bytes) -> Telemetry:
        content = parse_object(payload, what="telemetry")
        check_schema(content, current=SCHEMA, what="telemetry")
        return cls(
            device=field(content, "device", str, what="telemetry"),
            boot=field(content, "boot", str, what="telemetry"),
            records=tuple(Record.from_json(record) for record in field(content, "records", list, what="telemetry")),
        )


@dataclass(frozen=True)
class Ack:
    """The sequences of a boot that the store has committed, as inclusive ranges."""

    boot: str
    ranges: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, boot: str, sequences: Iterable[int]) -> Ack:
        ranges: list[list[int]] = []
        for sequence in sorted(set(sequences)):
            if ranges and sequence == ranges[-1][1] + 1:
                ranges[-1][1] = sequence
            else:
                ranges.append([sequence, sequence])
        return cls(boot, tuple((first, last) for first, last in ranges))

    def to_bytes(self) -> bytes:
        return canonical_bytes({"schema": SCHEMA, "boot": self.boot, "ranges": [list(pair) for pair in self.ranges]})

    @classmethod
    def from_bytes(cls, payload: bytes) -> Ack:
        content = parse_object(payload, what="ack")
        check_schema(content, current=SCHEMA, what="ack")
        ranges = field(content, "ranges", list, what="ack")
        return cls(field(content, "boot", str, what="ack"), tuple(_range(pair) for pair in ranges))


def _range(pair: object) -> tuple[int, int]:
    if not isinstance(pair, Sequence) or len(pair) != 2:
        raise InvalidInput(f"ack: a range must be [first, last], not {pair!r:.40}")
    first, last = (checked(end, int, what="ack: a range's end") for end in pair)
    return first, last


class TableState(StrEnum):
    """What became of a desired table."""

    APPLIED = "applied"
    REJECTED = "rejected"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True)
class TableReport:
    """What a device did with a table; `reason` is empty when it was applied.

    `failed`: the digest of the table from which the device went back to this one, empty where it is not known.
    """

    network: str
    digest: str
    version: int
    state: TableState
    reason: str = ""
    failed: str = ""

    def to_bytes(self) -> bytes:
        return canonical_bytes(self.to_json())

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "network": self.network,
            "digest": self.digest,
            "version": self.version,
            "state": self.state.value,
            "reason": self.reason,
            **({"failed": self.failed} if self.failed else {}),
        }

    @classmethod
    def from_bytes(cls, payload: bytes) -> TableReport:
        return cls.from_json(parse_object(payload, what="table report"))

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> TableReport:
        check_schema(content, current=SCHEMA, what="table report")
        given = {"failed": "", **content}
        texts = {
            name: field(given, name, str, what="table report") for name in ("network", "digest", "reason", "failed")
        }
        return cls(
            version=field(content, "version", int, what="table report"),
            state=choose(TableState, content.get("state"), what="table report: 'state'"),
            **texts,
        )


@dataclass(frozen=True)
class Inference:
    """The record of one request: what was asked, what was chosen, what it cost, and whether it was in time.

    `configuration` is None for a request that was refused before anything was chosen. `fallback` is why the device finished alone
    what it wanted to send ("" otherwise). `at` is wall time in seconds since the epoch, trustworthy when `clock_synced`.
    `violation` holds for late answers and refusals of requests that had a deadline. `request_id` is what the logs of device and
    cloud call the request ("": an agent that gave it none).
    """

    network: str
    bundle: str
    strategy: str
    account: Account
    configuration: Configuration | None
    cost: Cost | None
    deadline_ms: float | None
    violation: bool
    fallback: str
    refused: str
    table_digest: str
    at: float
    clock_synced: bool
    run: str = ""
    predicted_ms: float | None = None
    request_id: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "configuration": self.configuration.to_json() if self.configuration else None,
            "cost": self.cost.to_json() if self.cost else None,
            "account": self.account.value,
            **{name: getattr(self, name) for name in (*_INFERENCE_TEXTS, *_INFERENCE_REST)},
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], *, what: str = "inference") -> Inference:
        check_schema(content, current=SCHEMA, what=what)
        configuration, cost = content.get("configuration"), content.get("cost")
        return cls(
            configuration=None if configuration is None else Configuration.from_json(configuration, what=what),
            cost=None if cost is None else Cost.from_json(cost, what=what),
            account=choose(Account, content.get("account"), what=f"{what}: 'account'"),
            deadline_ms=_optional_number(content, "deadline_ms", what=what),
            predicted_ms=_optional_number(content, "predicted_ms", what=what),
            violation=field(content, "violation", bool, what=what),
            clock_synced=field(content, "clock_synced", bool, what=what),
            at=field(content, "at", float, what=what),
            request_id=_request_id(content, what=what),
            **{name: field(content, name, str, what=what) for name in _INFERENCE_TEXTS},
        )


_INFERENCE_TEXTS = ("network", "bundle", "strategy", "fallback", "refused", "table_digest", "run")
_INFERENCE_REST = ("deadline_ms", "violation", "at", "clock_synced", "predicted_ms", "request_id")


def _request_id(content: Mapping[str, Any], *, what: str) -> str:
    request_id: str = checked(content.get("request_id", ""), str, what=f"{what}: 'request_id'")
    if request_id and not is_request_id(request_id):
        raise InvalidInput(f"{what}: 'request_id' must be 1 to 64 plain characters, not {request_id!r:.70}")
    return request_id


def _optional_number(content: Mapping[str, Any], name: str, *, what: str) -> float | None:
    value = content.get(name)
    return None if value is None else float(checked(value, float, what=f"{what}: '{name}'"))
