"""Audit lines in memory."""

from __future__ import annotations

import itertools
import threading

from cloud.store.audit.port import MOST_FORGOTTEN, AuditLine


class MemoryAudit:
    """An `AuditStore` that forgets everything with its process."""

    def __init__(self) -> None:
        super().__init__()
        self._audit_lock = threading.Lock()
        self._audit: list[AuditLine] = []

    def add_audit(self, line: AuditLine, *, forget_before: float) -> None:
        with self._audit_lock:
            old = sorted((kept for kept in self._audit if kept.at < forget_before), key=lambda kept: kept.at)
            for kept in old[:MOST_FORGOTTEN]:
                self._audit.remove(kept)
            self._audit.append(line)

    def audit(self, *, limit: int, until: float | None = None) -> list[AuditLine]:
        with self._audit_lock:
            latest_first = sorted(self._audit, key=lambda line: line.at)[::-1]
        found = (line for line in latest_first if until is None or line.at <= until)
        return list(itertools.islice(found, limit))
