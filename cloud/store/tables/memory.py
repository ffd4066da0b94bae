"""Tables in memory."""

from __future__ import annotations

import threading

from cloud.store.tables.port import DesiredTable, draft_unknown, not_newer
from protocol.messages import TableReport
from protocol.signing import SignedTable
from protocol.table import Table


class MemoryTables:
    """A `TableStore` that forgets everything with its process."""

    def __init__(self) -> None:
        super().__init__()
        self._tables_lock = threading.Lock()
        self._drafts: dict[str, Table] = {}
        self._desired: dict[tuple[str, str], DesiredTable] = {}
        self._reported: dict[tuple[str, str], tuple[TableReport, float]] = {}

    def add_draft(self, table: Table) -> None:
        with self._tables_lock:
            self._drafts[table.digest] = table

    def draft(self, digest: str) -> Table:
        with self._tables_lock:
            if digest not in self._drafts:
                raise draft_unknown(digest)
            return self._drafts[digest]

    def drafts(self) -> list[Table]:
        with self._tables_lock:
            return sorted(self._drafts.values(), key=lambda table: (table.network, table.device, table.digest))

    def set_desired(self, signed: SignedTable) -> None:
        key = (signed.table.device, signed.table.network)
        with self._tables_lock:
            known = self._desired.get(key)
            if known and known.signed.table.version >= signed.table.version and not _unpublished(known, signed):
                raise not_newer(signed, known.signed.table.version)
            self._desired[key] = DesiredTable(signed, published=False)

    def note_published(self, signed: SignedTable) -> None:
        key = (signed.table.device, signed.table.network)
        with self._tables_lock:
            if self._desired[key].signed.table.digest == signed.table.digest:
                self._desired[key] = DesiredTable(signed, published=True)

    def desired(self, device: str, network: str) -> DesiredTable | None:
        with self._tables_lock:
            return self._desired.get((device, network))

    def all_desired(self) -> list[DesiredTable]:
        with self._tables_lock:
            return [table for _, table in sorted(self._desired.items(), key=lambda item: item[0])]

    def note_report(self, device: str, report: TableReport, *, at: float) -> None:
        with self._tables_lock:
            self._reported[device, report.network] = (report, at)

    def reported(self, device: str, network: str) -> TableReport | None:
        with self._tables_lock:
            report, _ = self._reported.get((device, network), (None, 0.0))
            return report


def _unpublished(known: DesiredTable, signed: SignedTable) -> bool:
    """Whether `signed` is the known table, which the broker has not taken yet."""
    return not known.published and known.signed.table.digest == signed.table.digest
