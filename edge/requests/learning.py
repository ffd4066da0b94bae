"""What live traffic teaches: the link, how each row of a table fares against its prediction, and whether it has drifted."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.requests.link import LinkEstimate, Transfer
from edge.tables.networks import Plan
from planner.choosing.candidates import Candidates
from planner.choosing.strategies import Choice
from planner.learning.drift import Drift, Drifted
from planner.learning.experience import DEFAULT_VIOLATION_RATE, Experience, Observed
from planner.pricing import Parts
from protocol.link import REFERENCE_LINK, Link
from protocol.measurement import Cost

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Lesson:
    """A request that was served as chosen: by which prices, with what left of its deadline, and what it cost.

    `took_ms`: from the decision to the end; `switched_ms`: how long of that changing the board took, which says nothing
    about the row. `overlapped`: another request was under way meanwhile, so that the energy is a share of what both took.
    """

    candidates: Candidates
    choice: Choice
    deadline_ms: float | None
    cost: Cost
    took_ms: float
    switched_ms: float = 0.0
    overlapped: bool = False

    @property
    def observed(self) -> Observed:
        """As arrays of one. What is neither head nor on the way belongs to the part that has to do with waiting."""
        row, cost = self.choice.row, self.cost
        took_ms = self.took_ms - self.switched_ms
        head_ms = cost.head_ms if row.uses_cloud else took_ms
        figures = (
            np.inf if self.deadline_ms is None else self.deadline_ms - self.switched_ms,
            head_ms if row.configuration.cut else np.nan,
            max(took_ms - cost.head_ms, 0.0) if row.uses_cloud else np.nan,
            np.nan if self.overlapped else cost.edge_mj,
            cost.cloud_node_mj if row.uses_cloud else np.nan,
        )
        return Observed(np.array([self.choice.index]), *(np.array([figure]) for figure in figures))


@dataclass(frozen=True, eq=False)
class _Known:
    """What was learned of one table."""

    experience: Experience
    drift: Drift

    @classmethod
    def nothing(cls, parts: Parts, *, violation_rate: float, tries: bool) -> _Known:
        return cls(Experience.of(parts, violation_rate=violation_rate, tries=tries), Drift.of(parts))

    def after(self, lesson: Lesson) -> _Known:
        observed, link = lesson.observed, lesson.candidates.link
        return _Known(self.experience.after(observed, link), self.drift.after(observed, link))


class Learner:
    """One link for the device, and for each network what its table's rows taught. Thread-safe.

    Noting a lesson takes no time: what it teaches is worked out by `catch_up`, best called when nobody waits, at the latest
    when the next request is decided. A new table starts anew, since it predicts otherwise. Nothing of it survives a restart:
    a few dozen requests teach it again, and a device that was off for long may well have changed. `violation_rate` and
    `tries` as for `Experience.of`.
    """

    def __init__(self, *, violation_rate: float = DEFAULT_VIOLATION_RATE, tries: bool = True) -> None:
        self._violation_rate = violation_rate
        self._tries = tries
        self._lock = threading.Lock()
        self._link = LinkEstimate()
        self._known: dict[str, _Known] = {}
        self._priced: dict[str, Candidates] = {}
        self._lessons: list[tuple[Plan, Lesson]] = []

    def link(self, plan: Plan | None, now_s: float) -> Link:
        """The link now; without traffic the table's, and without a table the published one."""
        with self._lock:
            return self._link.link(plan.table.link if plan else REFERENCE_LINK, now_s)

    def candidates(self, plan: Plan, now_s: float, **now: Any) -> Candidates:
        """The table's rows at the prices of now; `now` as for `Candidates.now`. The same as before as long as nothing changes."""
        self._learn()
        link, network = self.link(plan, now_s), plan.table.network
        with self._lock:
            experience, before = self._of(plan).experience, self._priced.get(network)
            if before is not None and before.still(link, experience=experience, **now):
                return before
            priced = self._priced[network] = plan.candidates.now(link, experience=experience, **now)
        return priced

    def observe_transfer(self, cost: Cost, now_s: float) -> None:
        """Call it for round trips that came to their end."""
        if cost.up_bytes:
            with self._lock:
                self._link.observe(Transfer(cost.transfer_ms, cost.up_bytes, cost.down_bytes, now_s))

    def observe(self, plan: Plan, lesson: Lesson) -> None:
        """Call it for requests that were served by the row that was chosen. One that was decided by another table, or by
        none, teaches nothing."""
        with self._lock:
            self._lessons.append((plan, lesson))

    def catch_up(self, plan: Plan, now_s: float, **now: Any) -> None:
        """Learns what was noted, and works out of it what the next decision will want if all is as it is `now`."""
        before = self._priced.get(plan.table.network)
        self.candidates(plan, now_s, **now).prepare(before)

    def state(self, plan: Plan) -> dict[str, Any]:
        """From how many requests it learned about a table, and what of it has drifted."""
        self._learn()
        with self._lock:
            known = self._of(plan)
        return {"learned_from": known.experience.requests, "drift": [each.to_json() for each in known.drift.found]}

    def _learn(self) -> None:
        """From all that was noted, in its order. Logs what has drifted, and what no longer does, once each."""
        while self._lessons:
            with self._lock:
                if not self._lessons:
                    return
                plan, lesson = self._lessons.pop(0)
                before = self._of(plan)
                if before.experience.parts is not lesson.candidates.parts:
                    continue
                after = self._known[plan.table.network] = before.after(lesson)
            _log_changes(plan.table.network, before.drift.found, after.drift.found)

    def _of(self, plan: Plan) -> _Known:
        """What is known of this table."""
        known, parts = self._known.get(plan.table.network), plan.candidates.parts
        if known and known.experience.parts is parts:
            return known
        return _Known.nothing(parts, violation_rate=self._violation_rate, tries=self._tries)


def _log_changes(network: str, before: tuple[Drifted, ...], after: tuple[Drifted, ...]) -> None:
    figures = {drifted.figure for drifted in before}
    for drifted in after:
        if drifted.figure not in figures:
            logger.warning("%s: %s", network, drifted)
    for figure in figures - {drifted.figure for drifted in after}:
        logger.info("%s: %s is as the table predicts again", network, figure)
