"""Records that grow old, as the cloud keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Protocol

from cloud.store.upkeep.minutes import SampleMinute


class Perishable(StrEnum):
    """What goes after a time. Measurements never do."""

    INFERENCES = "inferences"
    SAMPLES = "samples"
    DEAD_LETTERS = "dead_letters"
    DRAFTS = "drafts"
    """But for those whose content some device was ever to use."""
    ROLLOUTS = "rollouts"
    """Those that have ended, with their signed tables that no device was ever to use."""
    COMPUTATIONS = "computations"
    JOBS = "jobs"


class UpkeepStore(Protocol):
    """Thinning and forgetting, in steps that each are one short transaction, so that nobody who writes waits for long.

    As `cloud.store.port.Store`: thread-safe, committed on return, ServiceMissing when it is away. Several processes may do it
    at once: nothing is counted twice.
    """

    def thin_samples(self, *, received_before: float, limit: int = 1000) -> int:
        """Puts some of the samples that came in before then together by the minute; how many went into it.

        0: none is left, or another process does it now. A sample that was put in before, and came in again, changes nothing.
        """
        ...

    def sample_minutes(
        self, device: str, *, since: float | None = None, limit: int | None = None
    ) -> Iterator[SampleMinute]:
        """Those of a device, latest first, at most `limit`; with `since`, those that begin then or later."""
        ...

    def forget(self, kind: Perishable, *, before: float, limit: int = 1000) -> int:
        """Deletes some of what came in before then (samples put together: what was measured before; rollouts, computations and
        jobs: what ended before); how many. 0: none is left."""
        ...
