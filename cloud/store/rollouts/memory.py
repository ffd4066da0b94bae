"""Rollouts in memory."""

from __future__ import annotations

import threading
from dataclasses import replace

from cloud.store.rollouts.port import check_alone, rollout_unknown
from cloud.store.rollouts.values import Rollout


class MemoryRollouts:
    """A `RolloutStore` that forgets everything with its process."""

    def __init__(self) -> None:
        super().__init__()
        self._rollouts_lock = threading.Lock()
        self._rollouts: dict[str, Rollout] = {}

    def add_rollout(self, rollout: Rollout) -> None:
        with self._rollouts_lock:
            check_alone(rollout, [each for each in self._rollouts.values() if not each.state.final])
            self._rollouts[rollout.id] = rollout

    def rollout(self, rollout_id: str) -> Rollout:
        with self._rollouts_lock:
            if rollout_id not in self._rollouts:
                raise rollout_unknown(rollout_id)
            return self._rollouts[rollout_id]

    def rollouts(
        self, *, network: str | None = None, before: tuple[float, str] | None = None, limit: int | None = None
    ) -> list[Rollout]:
        with self._rollouts_lock:
            found = [each for each in self._rollouts.values() if network in (None, each.network)]
        found = [each for each in found if before is None or each.position < before]
        return sorted(found, key=lambda each: each.position, reverse=True)[:limit]

    def unfinished_rollouts(self) -> list[Rollout]:
        return [each for each in reversed(self.rollouts()) if not each.state.final]

    def save_rollout(self, rollout: Rollout) -> bool:
        with self._rollouts_lock:
            known = self._rollouts.get(rollout.id)
            if known is None or known.revision != rollout.revision:
                return False
            self._rollouts[rollout.id] = replace(rollout, revision=rollout.revision + 1)
            return True
