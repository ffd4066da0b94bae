"""Rollouts as the cloud keeps them."""

from __future__ import annotations

from typing import Protocol

from cloud.store.rollouts.values import Rollout
from protocol.errors import NotFound


class RolloutStore(Protocol):
    """All rollouts. As `cloud.store.port.Store`: thread-safe, committed on return, ServiceMissing when it is away."""

    def add_rollout(self, rollout: Rollout) -> None:
        """Keeps a new one."""
        ...

    def rollout(self, rollout_id: str) -> Rollout:
        """NotFound when there is none."""
        ...

    def rollouts(self, *, network: str | None = None, limit: int | None = None) -> list[Rollout]:
        """Newest first, at most `limit`."""
        ...

    def unfinished_rollouts(self) -> list[Rollout]:
        """Those that are pending or run, oldest first."""
        ...

    def save_rollout(self, rollout: Rollout) -> bool:
        """Replaces the one that it was made of, whose revision it has; its own is the next.

        False, and nothing is changed, when another process was faster.
        """
        ...


def rollout_unknown(rollout_id: str) -> NotFound:
    return NotFound(f"there is no rollout {rollout_id:.64}")
