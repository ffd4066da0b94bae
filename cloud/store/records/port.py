"""Records as the cloud keeps them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cloud.store.dead_letters.port import DeadLetter, letter_of_record
from protocol.measurement import Measurement
from protocol.messages import Inference
from protocol.samples import Sample

Position = tuple[float, str, str, int]
"""A record's place in the order of their coming: `RECORD_ORDER`."""

RECORD_ORDER = ("received_at", "device", "boot", "sequence")


@dataclass(frozen=True)
class Rejection:
    """A record that reads as none of ours, and why."""

    reason: str


Content = Inference | Measurement | Sample | Rejection
"""What the body of a record says."""


@dataclass(frozen=True)
class Arrival:
    """A record from a device's outbox: its identity, its body as it was sent, and what the body says.

    `received_at` is wall time of ingest in seconds since the epoch.
    """

    device: str
    boot: str
    sequence: int
    received_at: float
    body: Mapping[str, Any]
    content: Content

    @property
    def identity(self) -> tuple[str, str, int]:
        return (self.device, self.boot, self.sequence)


@dataclass(frozen=True)
class Kept:
    """A stored record: its identity, when it came in, and its body as it was sent."""

    device: str
    boot: str
    sequence: int
    received_at: float
    body: Mapping[str, Any]

    @property
    def position(self) -> Position:
        """Its place in the order of their coming."""
        return (self.received_at, self.device, self.boot, self.sequence)


@dataclass(frozen=True)
class Selection:
    """Which records to read: those that have all the given values (None: any), of what a kind of record has.

    Inferences have all; measurements neither `strategy` nor `violation`; samples `device` and the times alone.
    `since` and `until` are the device's time, `received_since` and `received_until` that of ingest, in seconds since the
    epoch: from the first, and before the second. `after`: those that follow this place in the order in which they are read.
    """

    device: str | None = None
    network: str | None = None
    bundle: str | None = None
    run: str | None = None
    strategy: str | None = None
    violation: bool | None = None
    cut: int | None = None
    since: float | None = None
    until: float | None = None
    received_since: float | None = None
    received_until: float | None = None
    after: Position | None = None


def rejected(arrival: Arrival, rejection: Rejection) -> DeadLetter:
    """What is kept of a record that could not be read."""
    return letter_of_record(arrival.identity, arrival.body, reason=rejection.reason, received_at=arrival.received_at)


class RecordStore(Protocol):
    """Inferences, measurements and samples.

    As `cloud.store.port.Store`: thread-safe, committed on return, ServiceMissing when it is away.
    """

    def write(self, arrivals: Sequence[Arrival]) -> None:
        """Keeps records, all or none; what could not be read as dead letters. One whose identity is known changes nothing.

        InvalidInput when a record cannot be kept by this database; none was kept then.
        """
        ...

    def measurements(self, selection: Selection, *, limit: int | None = None) -> Iterator[Kept]:
        """In the order in which they came in, at most `limit`."""
        ...

    def inferences(self, selection: Selection, *, limit: int | None = None) -> Iterator[Kept]:
        """Latest first, at most `limit`."""
        ...

    def samples(self, selection: Selection, *, limit: int | None = None) -> Iterator[Kept]:
        """Latest first, at most `limit`."""
        ...

    def count_inferences(self, *, run: str | None = None) -> int:
        """How many inferences with distinct identities."""
        ...

    def count_measurements(self, selection: Selection) -> int:
        """How many measurements with distinct identities."""
        ...

    def throttled_devices(self, *, received_since: float) -> list[str]:
        """Devices, by name, of which a sample that came in then or later says that heat or a weak supply slowed them down."""
        ...
