"""Tables in memory."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

from cloud.store.rollouts.memory import MemoryRollouts
from cloud.store.rollouts.values import RolloutState
from cloud.store.tables.port import (
    DesiredTable,
    DesiredVersion,
    ReceivedReport,
    TableVersion,
    not_newer,
    not_running,
    signed_unknown,
)
from protocol.messages import TableReport
from protocol.signing import SignedTable


class MemoryTables(MemoryRollouts):
    """A `TableStore` that forgets everything with its process."""

    def __init__(self) -> None:
        super().__init__()
        self._tables_lock = threading.Lock()
        self._signed: dict[str, SignedTable] = {}
        self._versions: dict[str, TableVersion] = {}
        self._desired: dict[tuple[str, str], DesiredTable] = {}
        self._reported: dict[tuple[str, str], ReceivedReport] = {}

    def keep_signed(self, signed: Sequence[SignedTable]) -> None:
        with self._tables_lock:
            for each in signed:
                self._signed.setdefault(each.table.digest, each)

    def signed(self, digest: str) -> SignedTable:
        with self._tables_lock:
            if digest not in self._signed:
                raise signed_unknown(digest)
            return self._signed[digest]

    def set_desired(self, signed: SignedTable, *, at: float | None = None, rollout: str | None = None) -> None:
        key = (signed.table.device, signed.table.network)
        with self._rollouts_lock, self._tables_lock:
            if rollout is not None and self._rollouts[rollout].state is not RolloutState.RUNNING:
                raise not_running(rollout)
            known = self._desired.get(key)
            if known and known.signed.table.version >= signed.table.version and not _unpublished(known, signed):
                raise not_newer(signed, known.signed.table.version)
            self._desired[key] = DesiredTable(signed, published=False)
            self._signed[signed.table.digest] = signed
            self._versions.setdefault(signed.table.digest, TableVersion.of(signed.table, set_at=at))

    def note_published(self, signed: SignedTable) -> None:
        key = (signed.table.device, signed.table.network)
        with self._tables_lock:
            if self._desired[key].signed.table.digest == signed.table.digest:
                self._desired[key] = DesiredTable(signed, published=True)

    def desired(self, device: str, network: str) -> DesiredTable | None:
        with self._tables_lock:
            return self._desired.get((device, network))

    def desired_versions(self, network: str) -> dict[str, DesiredVersion]:
        with self._tables_lock:
            return {
                device: DesiredVersion(self._versions[desired.signed.table.digest], desired.published)
                for (device, of), desired in sorted(self._desired.items(), key=lambda item: item[0])
                if of == network
            }

    def unpublished_desired(self) -> list[tuple[str, str]]:
        with self._tables_lock:
            return sorted(key for key, desired in self._desired.items() if not desired.published)

    def history(self, device: str, network: str, *, limit: int | None = None) -> list[TableVersion]:
        with self._tables_lock:
            mine = [each for each in self._versions.values() if (each.device, each.network) == (device, network)]
        return sorted(mine, key=lambda each: each.version, reverse=True)[:limit]

    def note_report(self, device: str, report: TableReport, *, at: float, now: float = math.inf) -> None:
        with self._tables_lock:
            known = self._reported.get((device, report.network))
            if known is None or (known.report != report and not at < known.at <= now):
                self._reported[device, report.network] = ReceivedReport(report, at)

    def reported(self, device: str, network: str) -> TableReport | None:
        with self._tables_lock:
            received = self._reported.get((device, network))
            return received.report if received else None

    def reports(self, network: str) -> dict[str, ReceivedReport]:
        with self._tables_lock:
            return {device: received for (device, of), received in self._reported.items() if of == network}


def _unpublished(known: DesiredTable, signed: SignedTable) -> bool:
    """Whether `signed` is the known table, which the broker has not taken yet."""
    return not known.published and known.signed.table.digest == signed.table.digest
