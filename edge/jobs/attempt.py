"""An attempt at a job: its steps, on a thread of their own, so that one that hangs can be left behind."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from edge.jobs.book import Begun
from edge.jobs.work import JobWork, Unfinished
from protocol.errors import DynaSplitError
from protocol.jobs import JobState

logger = logging.getLogger(__name__)

PATIENCE_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""How long it waits before it tries again what may go well later; then it gives up."""

_LATER = 429
"""From this HTTP status on an error says that it may go well later."""

T = TypeVar("T")


class _Left(Exception):
    """It was asked to leave."""


class Attempt:
    """Does the steps of one job that are not done yet. Where they are independent, the others are done when one has failed;
    after such a failure each is tried once, until one goes well.

    `progressed` is called after each step, `ended` once there is an outcome, both on the attempt's thread. An attempt that was
    left, or whose work goes on after the agent's next start, has none unless leaving gave it one.
    """

    def __init__(
        self,
        make: Callable[[], JobWork],
        *,
        begun: Begun,
        progressed: Callable[[Begun], None],
        ended: Callable[[], None],
        patience_s: Sequence[float] = PATIENCE_S,
    ) -> None:
        self._make = make
        self._begun = begun
        self._progressed = progressed
        self._ended = ended
        self._patience_s = self._patience_now_s = tuple(patience_s)
        self._leaving = threading.Event()
        self._parting: tuple[JobState, str] | None = None
        self.outcome: tuple[JobState, str] | None = None
        self.complaint = ""
        """Why the latest step did not go well, while it is tried again."""
        self._thread = threading.Thread(target=self._run, name="job", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def leave(self, outcome: tuple[JobState, str] | None = None) -> None:
        """Has it end before its next step, with this outcome; returns at once."""
        self._parting = outcome
        self._leaving.set()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self.outcome = self._worked().outcome
        except Unfinished:
            return
        except _Left:
            self.outcome = self._parting
        except DynaSplitError as error:
            self.outcome = (JobState.FAILED, str(error))
        except Exception:  # the outermost loop of this thread: the job must end, and later ones begin
            logger.exception("a job failed")
            self.outcome = (JobState.FAILED, "the agent failed; its log says why")
        self._ended()

    def _worked(self) -> Begun:
        work = self._patiently(self._make)
        try:
            same = self._begun.total in (0, work.total)
            begun = replace(self._begun, total=work.total) if same else Begun(self._begun.job, total=work.total)
            for index in range(begun.done, work.total):
                self._check()
                begun = begun.stepped(self._failure(work, index))
                self._progressed(begun)
            return begun
        finally:
            work.close()

    def _failure(self, work: JobWork, index: int) -> str | None:
        """Why a step failed that may; None where it went well."""
        try:
            self._patiently(lambda: work.step(index))
        except DynaSplitError as error:
            if not work.independent:
                raise
            logger.warning("step %d of a job failed, the others go on: %s", index, error)
            self._patience_now_s = ()
            return str(error)
        self._patience_now_s = self._patience_s
        return None

    def _patiently(self, act: Callable[[], T]) -> T:
        """What it gives, tried again while that may help."""
        for pause_s in self._patience_now_s:
            try:
                return act()
            except DynaSplitError as error:
                if error.http_status < _LATER:
                    raise
                logger.warning("a job is tried again in %g s: %s", pause_s, error)
                self.complaint = str(error)
            self._leaving.wait(pause_s)
            self._check()
        return act()

    def _check(self) -> None:
        if self._leaving.is_set():
            raise _Left
