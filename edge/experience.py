"""What live traffic teaches: the link, and how much longer requests take than predicted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import planner.experience
from edge.link import LinkEstimate, Transfer
from edge.networks import Plan
from planner.candidates import Candidates
from planner.experience import Observed
from planner.strategies import Choice
from protocol.link import REFERENCE_LINK, Link
from protocol.measurement import Cost


@dataclass(frozen=True, eq=False)
class Lesson:
    """A request that was served as chosen: by which prices, with what left of its deadline, and what it cost.

    `took_ms`: from the decision to the end.
    """

    candidates: Candidates
    choice: Choice
    deadline_ms: float | None
    cost: Cost
    took_ms: float

    @property
    def observed(self) -> Observed:
        """As arrays of one. What is neither head nor on the way belongs to the part that has to do with waiting."""
        row, cost = self.choice.row, self.cost
        head_ms = cost.head_ms if row.uses_cloud else self.took_ms
        figures = (
            np.inf if self.deadline_ms is None else self.deadline_ms,
            head_ms if row.configuration.cut else np.nan,
            max(self.took_ms - cost.head_ms, 0.0) if row.uses_cloud else np.nan,
            cost.edge_mj,
            cost.cloud_node_mj if row.uses_cloud else np.nan,
        )
        return Observed(np.array([self.choice.index]), *(np.array([figure]) for figure in figures))


class Experience:
    """One link for the device, and for each network what its table's rows taught. For one request at a time."""

    def __init__(self) -> None:
        self._link = LinkEstimate()
        self._learned: dict[str, planner.experience.Experience] = {}

    def link(self, plan: Plan | None, now_s: float) -> Link:
        """The link now; without traffic the table's, and without a table the published one."""
        return self._link.link(plan.table.link if plan else REFERENCE_LINK, now_s)

    def candidates(self, plan: Plan, now_s: float, *, cloud_available: bool) -> Candidates:
        """The table's rows at the prices of now."""
        return plan.candidates.now(self.link(plan, now_s), experience=self._of(plan), cloud_available=cloud_available)

    def observe_transfer(self, cost: Cost, now_s: float) -> None:
        """Call it for round trips that came to their end."""
        if cost.up_bytes:
            self._link.observe(Transfer(cost.transfer_ms, cost.up_bytes, cost.down_bytes, now_s))

    def observe(self, plan: Plan, served: Lesson) -> None:
        """Call it for requests that were served by the row that was chosen."""
        known = self._of(plan)
        if known.parts is served.candidates.parts:
            self._learned[plan.table.network] = known.after(served.observed, served.candidates.link)

    def _of(self, plan: Plan) -> planner.experience.Experience:
        """What is known of this table: another one predicts otherwise."""
        known, parts = self._learned.get(plan.table.network), plan.candidates.parts
        return known if known and known.parts is parts else planner.experience.Experience.of(parts)
