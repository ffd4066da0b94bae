"""What live traffic teaches: the link, and how much longer requests take than predicted."""

from __future__ import annotations

from dataclasses import dataclass

from edge.link import LinkEstimate, Transfer
from edge.networks import Plan
from planner.margin import Margin
from planner.strategies import Candidates, Choice
from protocol.link import REFERENCE_LINK, Link
from protocol.measurement import Cost


@dataclass(frozen=True)
class _Learned:
    """A margin, and the table whose predictions it is about: another table predicts otherwise."""

    table: str
    margin: Margin


class Experience:
    """One link for the device, one margin for each network's table. For one request at a time."""

    def __init__(self) -> None:
        self._link = LinkEstimate()
        self._learned: dict[str, _Learned] = {}

    def link(self, plan: Plan | None, now_s: float) -> Link:
        """The link now; without traffic the table's, and without a table the published one."""
        return self._link.link(plan.table.link if plan else REFERENCE_LINK, now_s)

    def candidates(self, plan: Plan, now_s: float, *, cloud_available: bool) -> Candidates:
        """The table's rows at the prices of now."""
        return plan.candidates.now(self.link(plan, now_s), margin=self._margin(plan), cloud_available=cloud_available)

    def observe_transfer(self, cost: Cost, now_s: float) -> None:
        """Call it for round trips that came to their end."""
        if cost.up_bytes:
            self._link.observe(Transfer(cost.transfer_ms, cost.up_bytes, cost.down_bytes, now_s))

    def observe_latency(self, plan: Plan, choice: Choice, cost: Cost, *, took_ms: float) -> None:
        """Call it for requests that were served by the row that was chosen: each part teaches its own margin."""
        row, margin = choice.row, self._margin(plan)
        waiting_ms = choice.predicted_ms - row.head_ms
        if row.uses_cloud and waiting_ms > 0:
            observed_ms = max(took_ms - cost.head_ms, 0.0)
            margin = margin.observe(uses_cloud=True, predicted_ms=waiting_ms, observed_ms=observed_ms)
        if row.configuration.cut and row.head_ms > 0:
            observed_ms = cost.head_ms if row.uses_cloud else took_ms
            margin = margin.observe(uses_cloud=False, predicted_ms=row.head_ms, observed_ms=observed_ms)
        self._learned[plan.table.network] = _Learned(plan.table.digest, margin)

    def _margin(self, plan: Plan) -> Margin:
        learned = self._learned.get(plan.table.network)
        return learned.margin if learned and learned.table == plan.table.digest else Margin()
