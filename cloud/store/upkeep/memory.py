"""Records that grow old, in memory."""

from __future__ import annotations

from collections.abc import Iterator

from cloud.store.records.memory import MemoryRecords
from cloud.store.records.port import Arrival
from cloud.store.upkeep.ended_memory import MemoryEnded, delete
from cloud.store.upkeep.minutes import SampleMinute, kept_minute, together
from cloud.store.upkeep.port import Perishable
from protocol.messages import Inference
from protocol.samples import Sample

_CONTENTS = {Perishable.INFERENCES: Inference, Perishable.SAMPLES: Sample}


class MemoryUpkeep(MemoryRecords, MemoryEnded):
    """An `UpkeepStore` over what is in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._minutes: dict[tuple[str, int, str, bool], SampleMinute] = {}

    def thin_samples(self, *, received_before: float, limit: int = 1000) -> int:
        with self._records_lock:
            old = self._oldest(Sample, before=received_before, limit=limit)
            for arrival in old:
                source = (arrival.boot, arrival.sequence)
                minute = kept_minute(arrival.body, device=arrival.device, source=source)
                if minute and (whole := together(self._minutes.get(minute.key), [minute])):
                    self._minutes[minute.key] = whole
                del self._arrivals[arrival.identity]
        return len(old)

    def sample_minutes(
        self, device: str, *, since: float | None = None, limit: int | None = None
    ) -> Iterator[SampleMinute]:
        with self._records_lock:
            mine = [minute for minute in self._minutes.values() if minute.device == device]
        found = [minute for minute in mine if since is None or minute.minute >= since]
        return iter(sorted(found, key=lambda minute: minute.key, reverse=True)[:limit])

    def forget(self, kind: Perishable, *, before: float, limit: int = 1000) -> int:
        if kind is Perishable.DEAD_LETTERS:
            return self._forget_letters(before=before, limit=limit)
        if kind not in _CONTENTS:
            return self._forget_ended(kind, before=before, limit=limit)
        with self._records_lock:
            old = self._oldest(_CONTENTS[kind], before=before, limit=limit)
            for arrival in old:
                del self._arrivals[arrival.identity]
            minutes = [key for key in self._minutes if key[1] < before] if kind is Perishable.SAMPLES else []
            for key in minutes[:limit]:
                del self._minutes[key]
        return len(old) + len(minutes[:limit])

    def _forget_letters(self, *, before: float, limit: int) -> int:
        with self._letters_lock:
            old = [letter.digest for letter in self._letters.values() if letter.received_at < before]
            return delete(self._letters, old[:limit])

    def _oldest(self, content: type, *, before: float, limit: int) -> list[Arrival]:
        found = [
            arrival
            for arrival in self._arrivals.values()
            if isinstance(arrival.content, content) and arrival.received_at < before
        ]
        return sorted(found, key=lambda arrival: arrival.received_at)[:limit]
