"""Job `push`: looks at a network's desired table again, whatever was thought of it before."""

from __future__ import annotations

from collections.abc import Callable

from edge.jobs.work import JobWork
from edge.tables.desired import DesiredTables
from protocol.errors import Conflict, NotFound, ServiceMissing
from protocol.job_orders import pushed_network
from protocol.jobs import Job
from protocol.messages import TableState

_TRIES = 4
"""Right after a start the job may come before the table, which is retained as well: seconds later it is there."""


class Push:
    """One step: the retained document is considered as if it came for the first time, its bundle fetched if it lacks."""

    def __init__(self, network: str, desired: DesiredTables) -> None:
        self._network = network
        self._desired = desired
        self._tries = 0

    @property
    def total(self) -> int:
        return 1

    @property
    def independent(self) -> bool:
        return False

    def step(self, _index: int, /) -> None:
        """Conflict with the reason when the table was rejected; ServiceMissing while the bundle cannot be fetched, or no table
        has come yet; NotFound when none came in several tries."""
        self._tries += 1
        report = self._desired.again(self._network)
        if report is None:
            why = f"no table is desired for {self._network}: none has come from the broker; push one (dynasplit push)"
            raise ServiceMissing(why) if self._tries < _TRIES else NotFound(why)
        if report.state is not TableState.APPLIED:
            raise Conflict(f"table {report.digest:.12}, version {report.version}, was not applied: {report.reason}")

    def close(self) -> None:
        """What was applied stays."""


def pushing(desired: DesiredTables) -> Callable[[Job, bool], JobWork]:
    return lambda job, _begun: Push(pushed_network(job.parameters), desired)
