"""Carries rollouts on: looks at their devices, decides, and sends the tables of the stages that begin."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from cloud.broker.publishing import Publisher
from cloud.rollouts.ending import end
from cloud.rollouts.seeing import seen_by_device
from cloud.rollouts.stages import advance, to_send
from cloud.store.port import Store
from cloud.store.rollouts.values import Member, Rollout
from cloud.tables.publishing import publish_desired
from protocol.errors import Conflict, NotFound, ServiceMissing

logger = logging.getLogger(__name__)

_MOST_SENT = 50
"""So many tables of a rollout are sent between two looks at what became of those before."""
_MOST_PUBLISHED = 500
"""So many tables that a broker had not taken are published in one look: rollouts do not wait for all of a large fleet."""


class Driver:
    """Moves all rollouts on, one look at a time. Several processes may: each change is made by the first who comes.

    What is decided is kept before it is done, and done again where a process died between the two.
    """

    def __init__(
        self,
        store: Store,
        publisher: Publisher,
        *,
        wall_clock: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._wall_clock = wall_clock
        self._clock = clock
        self._since_s: dict[tuple[str, int], float] = {}

    def look(self) -> None:
        """Moves each rollout as far as it goes now, and publishes what a broker had not taken. ServiceMissing when the
        store is away."""
        rollouts, now_s = self._store.unfinished_rollouts(), self._clock()
        revisions = [(each.id, each.revision) for each in rollouts]
        self._since_s = {revision: self._since_s.get(revision, now_s) for revision in revisions}
        for rollout in rollouts:
            self._drive(rollout, now_s=now_s)
        self._publish_late()

    def _drive(self, rollout: Rollout, *, now_s: float) -> None:
        seen = seen_by_device(self._store, rollout)
        at = self._wall_clock()
        passed_s = now_s - self._since_s[rollout.id, rollout.revision]
        moved = advance(rollout, seen, at=at, passed_s=passed_s)
        if moved != rollout:
            if not (end(self._store, moved) if moved.state.final else self._store.save_rollout(moved)):
                return  # another process was faster: the next look sees what it decided
            self._since_s[rollout.id, rollout.revision + 1] = now_s
            if (moved.state, moved.stage) != (rollout.state, rollout.stage):
                logger.info("rollout %s: %s, stage %d %s", moved.id, moved.state.value, moved.stage, moved.reason)
        for member in to_send(moved, seen)[:_MOST_SENT]:
            self._send(member, at=at, rollout=rollout.id)

    def _send(self, member: Member, *, at: float, rollout: str) -> None:
        """Makes the table the desired one; it is published with all that are not yet."""
        try:
            self._store.set_desired(self._store.signed(member.digest), at=at, rollout=rollout)
        except (Conflict, NotFound) as error:
            logger.info("%s keeps what it has: %s", member.device, error)

    def _publish_late(self) -> None:
        try:
            for device, network in self._store.unpublished_desired()[:_MOST_PUBLISHED]:
                publish_desired(self._store, self._publisher, device=device, network=network)
        except ServiceMissing as error:
            logger.warning("desired tables wait to be published: %s", error)
