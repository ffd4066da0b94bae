"""The store in memory, for tests and for a try-out."""

from __future__ import annotations

from cloud.store.bundles.memory import MemoryBundles
from cloud.store.enrolments.memory import MemoryEnrolments
from cloud.store.jobs.memory import MemoryJobs
from cloud.store.records.memory import MemoryRecords
from cloud.store.tables.memory import MemoryTables


class MemoryStore(MemoryRecords, MemoryEnrolments, MemoryBundles, MemoryTables, MemoryJobs):
    """A `Store` that forgets everything with its process."""

    def ready(self) -> None:
        """Always."""

    def close(self) -> None:
        """Nothing to let go."""
