"""The store in memory, for tests and for a try-out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from cloud.enrolment.memory import MemoryEnrolments
from cloud.jobs.memory import MemoryJobs
from cloud.refusals import device_exists, device_unknown, draft_unknown, not_newer
from cloud.store import (
    Arrival,
    DesiredTable,
    Device,
    Kept,
    Rejection,
    Selection,
    StoredBundle,
)
from protocol.measurement import Measurement
from protocol.messages import Inference, TableReport
from protocol.presence import Availability
from protocol.samples import Sample
from protocol.signing import SignedTable
from protocol.table import Table

_NEVER_SEEN = (Availability.OFFLINE, None)


@dataclass
class _Shelf:
    tokens: dict[str, str] = field(default_factory=dict)
    presence: dict[str, tuple[Availability, float | None]] = field(default_factory=dict)
    bundles: dict[str, StoredBundle] = field(default_factory=dict)
    drafts: dict[str, Table] = field(default_factory=dict)
    desired: dict[tuple[str, str], DesiredTable] = field(default_factory=dict)
    reported: dict[tuple[str, str], tuple[TableReport, float]] = field(default_factory=dict)
    arrivals: dict[tuple[str, str, int], Arrival] = field(default_factory=dict)


class MemoryStore(MemoryJobs, MemoryEnrolments):
    """A `Store` that forgets everything with its process."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._shelf = _Shelf()

    def ready(self) -> None:
        """Always."""

    def close(self) -> None:
        """Nothing to let go."""

    def add_device(self, name: str, *, token_sha256: str) -> None:
        self._register(name, token_sha256=token_sha256, replace=False)

    def _register(self, name: str, *, token_sha256: str, replace: bool) -> None:
        with self._lock:
            if name in self._shelf.tokens and not replace:
                raise device_exists(name)
            self._shelf.tokens[name] = token_sha256

    def remove_device(self, name: str) -> None:
        with self._lock:
            if self._shelf.tokens.pop(name, None) is None:
                raise device_unknown(name)

    def device_with_token(self, token_sha256: str) -> str | None:
        with self._lock:
            return next((name for name, token in self._shelf.tokens.items() if token == token_sha256), None)

    def devices(self) -> list[Device]:
        with self._lock:
            names = sorted({*self._shelf.tokens, *self._shelf.presence})
            return [
                Device(name, name in self._shelf.tokens, *self._shelf.presence.get(name, _NEVER_SEEN)) for name in names
            ]

    def note_availability(self, device: str, availability: Availability, *, at: float) -> None:
        with self._lock:
            known, _ = self._shelf.presence.get(device, (None, None))
            if known != availability:
                self._shelf.presence[device] = (availability, at)

    def add_bundle(self, digest: str, *, network: str) -> StoredBundle:
        with self._lock:
            version = 1 + sum(bundle.network == network for bundle in self._shelf.bundles.values())
            return self._shelf.bundles.setdefault(digest, StoredBundle(digest, network, version, loaded=True))

    def bundles(self) -> list[StoredBundle]:
        with self._lock:
            return sorted(self._shelf.bundles.values(), key=lambda bundle: (bundle.network, bundle.version))

    def set_loaded(self, digests: Sequence[str], *, loaded: bool) -> None:
        with self._lock:
            for digest in set(digests) & set(self._shelf.bundles):
                self._shelf.bundles[digest] = replace(self._shelf.bundles[digest], loaded=loaded)

    def add_draft(self, table: Table) -> None:
        with self._lock:
            self._shelf.drafts[table.digest] = table

    def draft(self, digest: str) -> Table:
        with self._lock:
            if digest not in self._shelf.drafts:
                raise draft_unknown(digest)
            return self._shelf.drafts[digest]

    def drafts(self) -> list[Table]:
        with self._lock:
            return sorted(self._shelf.drafts.values(), key=lambda table: (table.network, table.device, table.digest))

    def set_desired(self, signed: SignedTable) -> None:
        key = (signed.table.device, signed.table.network)
        with self._lock:
            known = self._shelf.desired.get(key)
            if known and known.signed.table.version >= signed.table.version and not _unpublished(known, signed):
                raise not_newer(signed, known.signed.table.version)
            self._shelf.desired[key] = DesiredTable(signed, published=False)

    def note_published(self, signed: SignedTable) -> None:
        key = (signed.table.device, signed.table.network)
        with self._lock:
            if self._shelf.desired[key].signed.table.digest == signed.table.digest:
                self._shelf.desired[key] = DesiredTable(signed, published=True)

    def desired(self, device: str, network: str) -> DesiredTable | None:
        with self._lock:
            return self._shelf.desired.get((device, network))

    def all_desired(self) -> list[DesiredTable]:
        with self._lock:
            return [table for _, table in sorted(self._shelf.desired.items(), key=lambda item: item[0])]

    def note_report(self, device: str, report: TableReport, *, at: float) -> None:
        with self._lock:
            self._shelf.reported[device, report.network] = (report, at)

    def reported(self, device: str, network: str) -> TableReport | None:
        with self._lock:
            report, _ = self._shelf.reported.get((device, network), (None, 0.0))
            return report

    def write(self, arrivals: Sequence[Arrival]) -> None:
        with self._lock:
            for arrival in arrivals:
                self._shelf.arrivals.setdefault(arrival.identity, arrival)
                availability, _ = self._shelf.presence.get(arrival.device, _NEVER_SEEN)
                self._shelf.presence[arrival.device] = (availability, arrival.received_at)

    def measurements(self, selection: Selection) -> Iterator[Kept]:
        kept = self._records(lambda content: isinstance(content, Measurement), selection)
        return iter(sorted(kept, key=lambda record: (record.received_at, record.device, record.boot, record.sequence)))

    def inferences(self, selection: Selection, *, limit: int | None = None) -> Iterator[Kept]:
        return self._latest(Inference, replace(selection, bundle=None), limit)

    def samples(self, selection: Selection, *, limit: int | None = None) -> Iterator[Kept]:
        chosen = Selection(device=selection.device, received_since=selection.received_since)
        return self._latest(Sample, chosen, limit)

    def count_inferences(self, *, run: str | None = None) -> int:
        return len(self._records(lambda content: isinstance(content, Inference), Selection(run=run)))

    def count_rejected(self) -> int:
        with self._lock:
            return sum(isinstance(arrival.content, Rejection) for arrival in self._shelf.arrivals.values())

    def _latest(self, kind: type, selection: Selection, limit: int | None) -> Iterator[Kept]:
        kept = self._records(lambda content: isinstance(content, kind), selection)
        kept.sort(key=lambda record: (record.received_at, record.device, record.boot, record.sequence), reverse=True)
        return iter(kept[:limit])

    def _records(self, wanted: Callable[[object], bool], selection: Selection) -> list[Kept]:
        with self._lock:
            arrivals = [arrival for arrival in self._shelf.arrivals.values() if wanted(arrival.content)]
        return [
            Kept(arrival.device, arrival.boot, arrival.sequence, arrival.received_at, arrival.body)
            for arrival in arrivals
            if _selected(arrival, selection)
        ]


def _selected(arrival: Arrival, selection: Selection) -> bool:
    if selection.received_since is not None and arrival.received_at < selection.received_since:
        return False
    pairs = (
        (selection.device, arrival.device),
        (selection.network, getattr(arrival.content, "network", None)),
        (selection.bundle, getattr(arrival.content, "bundle", None)),
        (selection.run, getattr(arrival.content, "run", None)),
    )
    return all(wanted is None or wanted == found for wanted, found in pairs)


def _unpublished(known: DesiredTable, signed: SignedTable) -> bool:
    """Whether `signed` is the known table, which the broker has not taken yet."""
    return not known.published and known.signed.table.digest == signed.table.digest
