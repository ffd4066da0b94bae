"""Rollouts as the cloud keeps them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from cloud.store.rollouts.values import Rollout
from protocol.errors import Conflict, NotFound


class RolloutStore(Protocol):
    """All rollouts. As `cloud.store.port.Store`: thread-safe, committed on return, ServiceMissing when it is away."""

    def add_rollout(self, rollout: Rollout) -> None:
        """Keeps a new one; Conflict when another one of its network goes on for one of its devices. Of two at once one wins."""
        ...

    def rollout(self, rollout_id: str) -> Rollout:
        """NotFound when there is none."""
        ...

    def rollouts(
        self, *, network: str | None = None, before: tuple[float, str] | None = None, limit: int | None = None
    ) -> list[Rollout]:
        """Newest first, at most `limit`; the next page is `before` the last one's `position`."""
        ...

    def unfinished_rollouts(self) -> list[Rollout]:
        """Those that are pending or run, oldest first."""
        ...

    def save_rollout(self, rollout: Rollout) -> bool:
        """Replaces the one that it was made of, whose revision it has; its own is the next.

        False, and nothing is changed, when another process was faster.
        """
        ...


def check_alone(rollout: Rollout, others: Iterable[Rollout]) -> None:
    """Conflict when one of the others, which go on, is of the same network and has a device of the rollout."""
    devices = {member.device for member in rollout.members}
    for other in others:
        shared = sorted(devices & {member.device for member in other.members})
        if other.network == rollout.network and shared:
            raise Conflict(
                f"rollout {other.id} of {other.network} still runs for {shared[0]}; wait for its end or cancel it first"
            )


def rollout_unknown(rollout_id: str) -> NotFound:
    return NotFound(f"there is no rollout {rollout_id:.64}")
