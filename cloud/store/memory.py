"""The store in memory, for tests and for a try-out."""

from __future__ import annotations

from cloud.store.audit.memory import MemoryAudit
from cloud.store.bundles.memory import MemoryBundles
from cloud.store.charts.memory import MemoryCharts
from cloud.store.enrolments.memory import MemoryEnrolments
from cloud.store.tokens.memory import MemoryTokens
from cloud.store.tries.memory import MemoryTries
from cloud.store.upkeep.memory import MemoryUpkeep


class MemoryStore(
    MemoryCharts,
    MemoryUpkeep,
    MemoryEnrolments,
    MemoryBundles,
    MemoryTokens,
    MemoryTries,
    MemoryAudit,
):
    """A `Store` that forgets everything with its process."""

    def remove_device(self, name: str, *, at: float) -> None:
        super().remove_device(name, at=at)
        self._withdraw(name)

    def ready(self) -> None:
        """Always."""

    def close(self) -> None:
        """Nothing to let go."""
