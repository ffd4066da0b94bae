"""Job `push`: looks at a network's desired table again, whatever was thought of it before."""

from __future__ import annotations

from collections.abc import Callable

from edge.jobs.work import Work
from edge.tables.desired import DesiredTables
from protocol.errors import Conflict, ServiceMissing
from protocol.job_orders import pushed_network
from protocol.jobs import Job
from protocol.messages import TableState


class Push:
    """One step: the retained document is considered as if it came for the first time, its bundle fetched if it lacks."""

    def __init__(self, network: str, desired: DesiredTables) -> None:
        self._network = network
        self._desired = desired

    @property
    def total(self) -> int:
        return 1

    def step(self, _index: int, /) -> None:
        """Conflict with the reason when the table was rejected; ServiceMissing while there is none, or no bundle."""
        report = self._desired.again(self._network)
        if report is None:
            raise ServiceMissing(
                f"no table for {self._network} has come from the broker since the agent's start: push one"
            )
        if report.state is not TableState.APPLIED:
            raise Conflict(f"table {report.digest:.12}, version {report.version}, was not applied: {report.reason}")

    def close(self) -> None:
        """What was applied stays."""


def pushing(desired: DesiredTables) -> Callable[[Job, bool], Work]:
    return lambda job, _begun: Push(pushed_network(job.parameters), desired)
