"""Tables in memory."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import replace

from cloud.store.bundles.memory import MemoryBundles
from cloud.store.devices.memory import MemoryDevices
from cloud.store.rollouts.memory import MemoryRollouts
from cloud.store.rollouts.values import RolloutState
from cloud.store.tables.port import (
    NO_TABLE,
    DesiredTable,
    DesiredVersion,
    ReceivedReport,
    TableVersion,
    not_newer,
    not_running,
    retired_meanwhile,
    signed_unknown,
)
from protocol.messages import TableReport
from protocol.signing import SignedTable


class MemoryTables(MemoryRollouts, MemoryDevices, MemoryBundles):
    """A `TableStore` that forgets everything with its process."""

    def __init__(self) -> None:
        super().__init__()
        self._tables_lock = threading.Lock()
        self._signed: dict[str, SignedTable] = {}
        self._versions: dict[str, TableVersion] = {}
        self._desired: dict[tuple[str, str], DesiredTable] = {}
        self._last_versions: dict[tuple[str, str], int] = {}
        self._withdrawn: dict[tuple[str, str], bool] = {}
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
            if rollout is not None and not self._is_registered(signed.table.device):
                raise retired_meanwhile(signed.table.device)
            last = self._last_versions.get(key, 0)
            if last >= signed.table.version and not _unpublished(self._desired.get(key), signed):
                raise not_newer(signed, last)
            self._desired[key] = DesiredTable(signed, published=False)
            self._last_versions[key] = signed.table.version
            self._withdrawn.pop(key, None)
            self._signed[signed.table.digest] = signed
            self._versions.setdefault(signed.table.digest, TableVersion.of(signed.table, set_at=at))

    def note_published(self, device: str, network: str, *, digest: str) -> None:
        key = (device, network)
        with self._tables_lock:
            known = self._desired.get(key)
            if known and known.signed.table.digest == digest:
                self._desired[key] = replace(known, published=True)
            elif key in self._withdrawn and digest == NO_TABLE:
                self._withdrawn[key] = True

    def note_desired_lost(self) -> None:
        with self._tables_lock:
            self._desired = {key: replace(known, published=False) for key, known in self._desired.items()}
            self._withdrawn = dict.fromkeys(self._withdrawn, False)

    def _withdraw(self, device: str) -> None:
        """It shall use no table any more, and what it said of one is forgotten."""
        with self._tables_lock:
            for key in [key for key in self._desired if key[0] == device]:
                del self._desired[key]
                self._withdrawn[key] = False
            for key in [key for key in self._reported if key[0] == device]:
                del self._reported[key]

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

    def last_versions(self, network: str) -> dict[str, int]:
        with self._tables_lock:
            return {device: version for (device, of), version in self._last_versions.items() if of == network}

    def has_tables(self, device: str) -> bool:
        with self._tables_lock:
            return any(of == device for of, _ in [*self._last_versions, *self._reported])

    def withdrawn(self, device: str) -> list[str]:
        with self._tables_lock:
            return sorted(network for of, network in self._withdrawn if of == device)

    def unpublished_desired(self) -> list[tuple[str, str]]:
        with self._tables_lock:
            standing = [key for key, cleared in self._withdrawn.items() if not cleared]
            return sorted([*standing, *(key for key, desired in self._desired.items() if not desired.published)])

    def history(
        self, device: str, network: str, *, below: int | None = None, limit: int | None = None
    ) -> list[TableVersion]:
        with self._tables_lock:
            mine = [each for each in self._versions.values() if (each.device, each.network) == (device, network)]
        mine = [each for each in mine if below is None or each.version < below]
        return sorted(mine, key=lambda each: each.version, reverse=True)[:limit]

    def knows_network(self, network: str) -> bool:
        with self._tables_lock:
            to_use = any(of == network for _, of in self._last_versions)
        return to_use or any(bundle.network == network for bundle in self.bundles())

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


def _unpublished(known: DesiredTable | None, signed: SignedTable) -> bool:
    """Whether `signed` is the known table, which the broker has not taken yet."""
    return known is not None and not known.published and known.signed.table.digest == signed.table.digest
