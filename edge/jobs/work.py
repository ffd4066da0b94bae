"""What a job of one kind does: the port, and how it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from protocol.jobs import Job, JobKind


class JobWork(Protocol):
    """The work of one job, in steps. All of it is called from one thread.

    A step may be done again after a crash, so it must bear that. A DynaSplitError whose `http_status` is 429 or more says
    that it may go well later; any other, that the step has failed.
    """

    @property
    def total(self) -> int:
        """How many steps there are. The same job gives the same steps after a restart."""
        ...

    @property
    def independent(self) -> bool:
        """Whether each step is worth doing whatever became of the others: then one that fails does not end the job."""
        ...

    def step(self, index: int, /) -> None:
        """Does one step, counted from 0. Raises Unfinished where only the agent's next start can finish it."""
        ...

    def close(self) -> None:
        """Leaves the device as it was found; called once, however the job ended."""
        ...


class Unfinished(Exception):
    """The step is under way, and the job goes on when the agent starts again."""


Maker = Callable[[Job, bool], JobWork]
"""Makes the work of a job; the flag says whether it was begun before the agent's start. Errors as those of a step."""

Makers = Mapping[JobKind, Maker]
