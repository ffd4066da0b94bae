"""Publishing the jobs of a device: at each change, and later what the broker did not take then."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from cloud.broker.publishing import Publisher
from cloud.store.jobs.port import JobStore
from protocol import topics
from protocol.errors import ServiceMissing

logger = logging.getLogger(__name__)

_EVERY_S = 5.0
_MOST_PUBLISHED = 100
"""Lists in one look: telemetry waits for it."""


def publish_jobs(store: JobStore, publisher: Publisher, *, device: str) -> None:
    """Publishes a device's unfinished jobs as they are now, and says so in the store. ServiceMissing when the broker is away.

    Two processes at once may reach the broker in the wrong order; so the one that finds a newer list in the store after it
    published publishes that one too, and the newest is what stays retained.
    """
    published = -1
    while (unfinished := store.unfinished_jobs(device)).revision != published:
        publisher.publish(topics.job(device), unfinished.jobs.to_bytes())
        store.note_jobs_published(device, revision=unfinished.revision)
        published = unfinished.revision


class LateLists:
    """Publishes the lists that the broker did not take when they changed.

    It looks every few seconds: a list that another process could not publish announces itself by nothing.
    """

    def __init__(
        self,
        store: JobStore,
        publisher: Publisher,
        *,
        every_s: float = _EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._every_s = every_s
        self._clock = clock
        self._due_s = clock()

    @property
    def wait_s(self) -> float:
        """How long until it wants to look again."""
        return max(0.0, self._due_s - self._clock())

    def look(self) -> None:
        """Publishes what is left over, when it is time to look. A store or broker that is away is asked again next time."""
        if self.wait_s > 0:
            return
        self._due_s = self._clock() + self._every_s
        try:
            late = self._store.devices_with_unpublished_jobs()
            for device in late[:_MOST_PUBLISHED]:
                publish_jobs(self._store, self._publisher, device=device)
                logger.info("%s: its jobs, which the broker had not taken, are published", device)
            if len(late) > _MOST_PUBLISHED:
                self._due_s = self._clock()
        except ServiceMissing as error:
            logger.debug("jobs wait to be published: %s", error)
