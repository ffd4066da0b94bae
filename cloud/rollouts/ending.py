"""How a rollout ends before all have their tables."""

from __future__ import annotations

from cloud.rollouts.seeing import seen_by_device
from cloud.rollouts.stages import untold_waiting
from cloud.store.port import Store
from cloud.store.rollouts.values import Rollout


def end(store: Store, rollout: Rollout) -> bool:
    """Saves a rollout that has ended; False, and nothing is changed, when another process was faster.

    Nothing is sent of it from then on; so whom it was decided to tell, and nobody told, is told from those that were, and waits
    again.
    """
    if not store.save_rollout(rollout):
        return False
    kept = store.rollout(rollout.id)
    settled = untold_waiting(kept, seen_by_device(store, kept))
    if settled != kept:
        store.save_rollout(settled)
    return True
