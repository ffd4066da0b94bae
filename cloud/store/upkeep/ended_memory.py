"""Drafts that nobody pushed, and what has ended, in memory."""

from __future__ import annotations

from typing import Any

from cloud.store.computations.memory import MemoryComputations
from cloud.store.drafts.memory import MemoryDrafts
from cloud.store.jobs.memory import MemoryJobs
from cloud.store.upkeep.port import Perishable


class MemoryEnded(MemoryDrafts, MemoryComputations, MemoryJobs):
    """What an `UpkeepStore` forgets of it."""

    def _forget_ended(self, kind: Perishable, *, before: float, limit: int) -> int:
        match kind:
            case Perishable.DRAFTS:
                return self._forget_drafts(before=before, limit=limit)
            case Perishable.ROLLOUTS:
                return self._forget_rollouts(before=before, limit=limit)
            case Perishable.COMPUTATIONS:
                with self._computations_lock:
                    return delete(self._computations, _ended(self._computations, before)[:limit])
            case _:
                with self._jobs_lock:
                    return delete(self._jobs, _ended(self._jobs, before)[:limit])

    def _forget_drafts(self, *, before: float, limit: int) -> int:
        with self._tables_lock:
            pushed = {version.content_digest for version in self._versions.values()}
            known = [facts for _, facts in self._drafts.values()]
            old = [each.digest for each in known if each.added_at < before and each.content_digest not in pushed]
            return delete(self._drafts, old[:limit])

    def _forget_rollouts(self, *, before: float, limit: int) -> int:
        with self._rollouts_lock, self._tables_lock:
            old = _ended(self._rollouts, before)[:limit]
            tables = {member.digest for name in old for member in self._rollouts[name].members}
            running = [each for each in self._rollouts.values() if not each.state.final]
            tables -= {*self._versions, *(member.digest for each in running for member in each.members)}
            delete(self._signed, [digest for digest in tables if digest in self._signed])
            return delete(self._rollouts, old)


def _ended(known: dict[str, Any], before: float) -> list[str]:
    return [name for name, each in known.items() if each.ended_at is not None and each.ended_at < before]


def delete(known: dict[str, Any], names: list[str]) -> int:
    """Forgets these; how many they are."""
    for name in names:
        del known[name]
    return len(names)
