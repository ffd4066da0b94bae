"""The store: what the cloud keeps. The port, its values and its refusals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cloud.enrolment.store import EnrolmentStore
from cloud.jobs.store import JobStore
from protocol.measurement import Measurement
from protocol.messages import Inference, TableReport
from protocol.presence import Availability
from protocol.samples import Sample
from protocol.signing import SignedTable
from protocol.table import Table


@dataclass(frozen=True)
class Device:
    """A device that is registered or was heard of. `last_seen`: wall time in seconds since the epoch, None: never."""

    name: str
    registered: bool
    availability: Availability
    last_seen: float | None


@dataclass(frozen=True)
class StoredBundle:
    """A bundle's place among those of its network: versions count from 1. Only loaded bundles serve tails."""

    digest: str
    network: str
    version: int
    loaded: bool


@dataclass(frozen=True)
class DesiredTable:
    """The table that a device shall use for a network, and whether the broker has taken it."""

    signed: SignedTable
    published: bool


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


@dataclass(frozen=True)
class Selection:
    """Which records to read: those that have all the given values (None: any).

    `received_since`: those that came in then or later, in seconds since the epoch.
    """

    device: str | None = None
    network: str | None = None
    bundle: str | None = None
    run: str | None = None
    received_since: float | None = None


class Store(JobStore, EnrolmentStore, Protocol):
    """Devices, bundles, tables and records; jobs and enrolments, whose methods stand in rooms of their own.

    Thread-safe; several processes may share one database. Every method that changes something has committed when it
    returns. ServiceMissing when the database is away: then nothing was changed, and the caller may try again.
    """

    def ready(self) -> None:
        """Returns when the database can be used."""
        ...

    def close(self) -> None:
        """Lets the connections go."""
        ...

    def add_device(self, name: str, *, token_sha256: str) -> None:
        """Registers a device; Conflict when it is registered already."""
        ...

    def remove_device(self, name: str) -> None:
        """Forgets a device's token, not its records; NotFound when it is not registered."""
        ...

    def device_with_token(self, token_sha256: str) -> str | None:
        """The registered device that the token belongs to."""
        ...

    def devices(self) -> list[Device]:
        """Devices by name."""
        ...

    def note_availability(self, device: str, availability: Availability, *, at: float) -> None:
        """A device came or went. A repeat of what is known does not count as seeing it."""
        ...

    def add_bundle(self, digest: str, *, network: str) -> StoredBundle:
        """Adds a bundle, loaded, under the network's next version; what is there already is returned as it is."""
        ...

    def bundles(self) -> list[StoredBundle]:
        """Bundles by network and version."""
        ...

    def set_loaded(self, digests: Sequence[str], *, loaded: bool) -> None:
        """Says which bundles serve."""
        ...

    def add_draft(self, table: Table) -> None:
        """Keeps an unsigned table under its digest; a repeat changes nothing."""
        ...

    def draft(self, digest: str) -> Table:
        """NotFound when there is none with this digest."""
        ...

    def drafts(self) -> list[Table]:
        """All drafts, by network, device and digest."""
        ...

    def set_desired(self, signed: SignedTable) -> None:
        """Makes it the desired table of its device and network; Conflict unless its version is newer.

        The same table again is no conflict as long as it was not published. Two at once: only one of a version wins.
        """
        ...

    def note_published(self, signed: SignedTable) -> None:
        """The broker has taken this table."""
        ...

    def desired(self, device: str, network: str) -> DesiredTable | None: ...

    def all_desired(self) -> list[DesiredTable]:
        """By device and network."""
        ...

    def note_report(self, device: str, report: TableReport, *, at: float) -> None:
        """What a device did with a table; the latest report per network is kept."""
        ...

    def reported(self, device: str, network: str) -> TableReport | None: ...

    def write(self, arrivals: Sequence[Arrival]) -> None:
        """Keeps records, all or none. One whose identity is known changes nothing.

        InvalidInput when a record cannot be kept by this database; none was kept then.
        """
        ...

    def measurements(self, selection: Selection) -> Iterator[Kept]:
        """In the order in which they came in."""
        ...

    def inferences(self, selection: Selection, *, limit: int | None = None) -> Iterator[Kept]:
        """Latest first, at most `limit`. `selection.bundle` does not count here."""
        ...

    def samples(self, selection: Selection, *, limit: int | None = None) -> Iterator[Kept]:
        """Latest first, at most `limit`. Only `device` and `received_since` of the selection count here."""
        ...

    def count_inferences(self, *, run: str | None = None) -> int:
        """How many inferences with distinct identities."""
        ...

    def count_rejected(self) -> int:
        """How many records were refused and put aside."""
        ...
