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

    def measurements(self, selection: Selection, *, limit: int | None = None) -> Iterator[Kept]:
        return self._in_order(Measurement, selection, limit)

    def inferences(self, selection: Selection, *, limit: int | None = None) -> Iterator[Kept]:
        return self._in_order(Inference, selection, limit, latest_first=True)

    def samples(self, selection: Selection, *, limit: int | None = None) -> Iterator[Kept]:
        chosen = replace(selection, network=None, bundle=None, run=None, cut=None, strategy=None, violation=None)
        return self._in_order(Sample, chosen, limit, latest_first=True)

    def count_inferences(self, *, run: str | None = None) -> int:
        return len(self._records(lambda content: isinstance(content, Inference), Selection(run=run)))

    def count_measurements(self, selection: Selection) -> int:
        return len(self._records(lambda content: isinstance(content, Measurement), selection))

    def throttled_devices(self, *, received_since: float) -> list[str]:
        chosen = self._chosen(Selection(received_since=received_since))
        return sorted({each.device for each in chosen if isinstance(each.content, Sample) and each.content.throttled})

    def _in_order(
        self, kind: type, selection: Selection, limit: int | None, *, latest_first: bool = False
    ) -> Iterator[Kept]:
        kept = self._records(lambda content: isinstance(content, kind), selection)
        kept.sort(key=lambda record: record.position, reverse=latest_first)
        if (last := selection.after) is not None:
            kept = [each for each in kept if (each.position < last if latest_first else each.position > last)]
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
    content = arrival.content
    spans = (
        (arrival.received_at, selection.received_since, selection.received_until),
        (getattr(content, "at", 0.0), selection.since, selection.until),
    )
    if not all((first is None or first <= at) and (end is None or at < end) for at, first, end in spans):
        return False
    configuration = getattr(content, "configuration", None)
    pairs = [(selection.device, arrival.device), (selection.cut, configuration.cut if configuration else None)]
    for name in ("network", "bundle", "run"):
        pairs.append((getattr(selection, name), getattr(content, name, None)))
    if isinstance(content, Inference):
        pairs += [(selection.strategy, content.strategy), (selection.violation, content.violation)]
    return all(wanted is None or wanted == found for wanted, found in pairs)
