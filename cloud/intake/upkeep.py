"""Upkeep: what grows old is put together or goes, in small steps between what is written."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from cloud.retention import Retention
from cloud.store.port import Store
from cloud.store.upkeep.port import Perishable
from protocol.errors import DynaSplitError, ServiceMissing

logger = logging.getLogger(__name__)

_ROWS = 500
"""Of one step: some ten milliseconds, for which other writers to SQLite wait."""
_EVERY_S = 60.0
_BUSY_S = 1.0


class Upkeep:
    """One round of steps a minute; each step is one short transaction. Called from one thread.

    While there is much to write it takes one step a second, so that nothing grows for ever then either.
    """

    def __init__(
        self,
        store: Store,
        retention: Retention,
        *,
        wall_clock: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._retention = retention
        self._wall_clock = wall_clock
        self._clock = clock
        self._left: list[Callable[[], int]] = []
        self._next_s = clock()
        self._new_letters = 0

    @property
    def wait_s(self) -> float:
        """How long until there may be something to do."""
        return max(self._next_s - self._clock(), 0.0)

    def step(self, *, busy: bool) -> None:
        """The next step of this round, if it is time for it. A store that is away is no error: there is a next time."""
        if self.wait_s > 0:
            return
        try:
            self._step()
        except ServiceMissing as error:
            logger.debug("upkeep waits: %s", error)
            self._left = []
        except DynaSplitError as error:  # what stops one step must not stop the others
            logger.warning("a step of the upkeep failed and is left to the next round: %s", error)
            del self._left[0]
        pause_s = (_BUSY_S if busy else 0.0) if self._left else _EVERY_S
        self._next_s = self._clock() + pause_s

    def note_letters(self, count: int) -> None:
        """So many dead letters came in: a flood of them is bounded at once, not at the next round."""
        self._new_letters += count
        if self._new_letters * 10 >= self._retention.most_dead_letters:
            self._new_letters = 0
            self._trim()

    def _step(self) -> None:
        if not self._left:
            self._left = self._round()
        if self._left and not self._left[0]():
            del self._left[0]

    def _round(self) -> list[Callable[[], int]]:
        now, kept = self._wall_clock(), self._retention
        steps: list[Callable[[], int]] = [self._trim]
        if kept.raw_samples_s:
            steps.append(lambda: self._store.thin_samples(received_before=now - kept.raw_samples_s, limit=_ROWS))
        ages = {
            Perishable.INFERENCES: kept.keep_inferences_s,
            Perishable.SAMPLES: kept.keep_samples_s,
            Perishable.DEAD_LETTERS: kept.keep_dead_letters_s,
            Perishable.DRAFTS: kept.keep_drafts_s,
            Perishable.ROLLOUTS: kept.keep_ended_s,
            Perishable.COMPUTATIONS: kept.keep_ended_s,
            Perishable.JOBS: kept.keep_ended_s,
        }
        return steps + [self._forgetting(kind, now - age_s) for kind, age_s in ages.items() if age_s]

    def _forgetting(self, kind: Perishable, before: float) -> Callable[[], int]:
        return lambda: self._store.forget(kind, before=before, limit=_ROWS)

    def _trim(self) -> int:
        """All at once: it is one range of an index."""
        self._store.trim_dead_letters(most=self._retention.most_dead_letters)
        return 0
