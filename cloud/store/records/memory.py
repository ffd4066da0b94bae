"""Records in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from cloud.store.dead_letters.memory import MemoryDeadLetters
from cloud.store.devices.memory import MemoryDevices
from cloud.store.records.port import Arrival, Kept, Rejection, Selection, rejected
from protocol.measurement import Measurement
from protocol.messages import Inference
from protocol.samples import Sample


class MemoryRecords(MemoryDevices, MemoryDeadLetters):
    """A `RecordStore` that forgets everything with its process."""

    def __init__(self) -> None:
        super().__init__()
        self._records_lock = threading.Lock()
        self._arrivals: dict[tuple[str, str, int], Arrival] = {}

    def write(self, arrivals: Sequence[Arrival]) -> None:
        with self._records_lock:
            for arrival in arrivals:
                if isinstance(arrival.content, Rejection):
                    self.put_aside([rejected(arrival, arrival.content)])
                else:
                    self._arrivals.setdefault(arrival.identity, arrival)
                self._seen(arrival.device, at=arrival.received_at)

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

    def _latest(self, kind: type, selection: Selection, limit: int | None) -> Iterator[Kept]:
        kept = self._records(lambda content: isinstance(content, kind), selection)
        kept.sort(key=lambda record: (record.received_at, record.device, record.boot, record.sequence), reverse=True)
        return iter(kept[:limit])

    def _records(self, wanted: Callable[[object], bool], selection: Selection) -> list[Kept]:
        return [
            Kept(arrival.device, arrival.boot, arrival.sequence, arrival.received_at, arrival.body)
            for arrival in self._chosen(selection)
            if wanted(arrival.content)
        ]

    def _chosen(self, selection: Selection) -> list[Arrival]:
        """Of all kinds."""
        with self._records_lock:
            return [arrival for arrival in self._arrivals.values() if _selected(arrival, selection)]


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
