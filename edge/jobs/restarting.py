"""Job `restart`: ends the agent; its next start is the job's success."""

from __future__ import annotations

from collections.abc import Callable

from edge.jobs.work import JobWork, Unfinished
from protocol.jobs import Job


class Restart:
    """One step: the agent ends. After the next start there is nothing left to do."""

    def __init__(self, end: Callable[[], None], *, came_back: bool) -> None:
        self._end = end
        self._came_back = came_back

    @property
    def total(self) -> int:
        return 1

    @property
    def independent(self) -> bool:
        return False

    def step(self, _index: int, /) -> None:
        if self._came_back:
            return
        self._end()
        raise Unfinished

    def close(self) -> None:
        """Nothing was changed."""


def restarting(end: Callable[[], None]) -> Callable[[Job, bool], JobWork]:
    """`end` has the agent end itself, so that its supervisor starts it again; it returns at once."""
    return lambda _job, begun: Restart(end, came_back=begun)
