"""Drafts in memory."""

from __future__ import annotations

from cloud.store.drafts.port import DraftFacts, DraftPlace, draft_unknown, draft_used
from cloud.store.tables.memory import MemoryTables
from protocol.table import Table


class MemoryDrafts(MemoryTables):
    """A `DraftStore` that forgets everything with its process."""

    def __init__(self) -> None:
        super().__init__()
        self._drafts: dict[str, tuple[Table, DraftFacts]] = {}

    def add_draft(self, table: Table, *, at: float) -> None:
        with self._tables_lock:
            self._drafts[table.digest] = (table, DraftFacts.of(table, at=at))

    def draft(self, digest: str) -> Table:
        with self._tables_lock:
            return self._draft(digest)[0]

    def drafts(self, *, before: DraftPlace | None = None, limit: int | None = None) -> list[DraftFacts]:
        with self._tables_lock:
            known = [facts for _, facts in self._drafts.values()]
        found = [each for each in known if before is None or _place(each) < before]
        return sorted(found, key=_place, reverse=True)[:limit]

    def remove_draft(self, digest: str) -> None:
        with self._tables_lock:
            _, facts = self._draft(digest)
            for (device, network), desired in self._desired.items():
                if desired.signed.table.content_digest == facts.content_digest:
                    raise draft_used(digest, device=device, network=network)
            del self._drafts[digest]

    def _draft(self, digest: str) -> tuple[Table, DraftFacts]:
        if digest not in self._drafts:
            raise draft_unknown(digest)
        return self._drafts[digest]


def _place(facts: DraftFacts) -> DraftPlace:
    return (facts.added_at, facts.digest)
