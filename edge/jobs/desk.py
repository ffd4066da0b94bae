"""The desk of jobs: takes the list of what is wanted, has it worked off one after the other, and tells what became of each."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

from edge.jobs.attempt import PATIENCE_S, Attempt
from edge.jobs.book import Begun, JobBook
from edge.jobs.work import Makers
from hardware.clock import Clock
from protocol import topics
from protocol.bus import Bus
from protocol.errors import InvalidInput
from protocol.jobs import Job, JobReport, JobState, read_jobs

logger = logging.getLogger(__name__)

_TOLD_EVERY_S = 1.0
_MOST_STARTS = 3

_CANCELED = (JobState.CANCELED, "")
_UNLISTED = (JobState.CANCELED, "it is not on the list of jobs any more")


class JobDesk:
    """Works off the jobs of a device on a thread of its own.

    A job that was under way when the agent ended goes on after the next start, without a broker too. One that has ended never
    runs again, fails alone, and is told of whenever it is listed again. A job that takes longer than its time is left behind
    where it hangs. Progress is told, and kept on disk, at most once a second. A job that is listed as cancelled, or not at all
    any more, ends before its next step. `patience_s`: how long a step waits before each new try; `parting_s`: how long the end of
    the agent waits for a step.
    """

    def __init__(
        self,
        book: JobBook,
        bus: Bus,
        *,
        device: str,
        makers: Makers,
        clock: Clock = time.monotonic,
        patience_s: Sequence[float] = PATIENCE_S,
        parting_s: float = 2.0,
    ) -> None:
        self._book = book
        self._bus = bus
        self._device = device
        self._makers = makers
        self._clock = clock
        self._patience_s = patience_s
        self._parting_s = parting_s
        self._changed = threading.Condition()
        self._listed: dict[str, Job | JobReport] = {}
        self._heard = False
        self._attempt: Attempt | None = None
        self._began_s = self._told_s = -math.inf
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        """Goes on with what was under way, and listens; the bus may be started before or after."""
        self._bus.subscribe(topics.job(self._device), self._received)
        self._thread.start()

    def stop(self) -> None:
        """Leaves the job that is under way for the next start."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(self._parting_s + 1.0)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _received(self, topic: str, payload: bytes) -> None:
        """A list that was cleared has no jobs. What is known of those on it is told again: the report may have got lost."""
        try:
            jobs, refused = read_jobs(payload) if payload else ((), ())
        except InvalidInput as error:
            logger.warning("ignored a message on %s: %s", topic, error)
            return
        listed: dict[str, Job | JobReport] = {job.id: job for job in jobs}
        listed.update((report.id, report) for report in refused)
        with self._changed:
            self._listed = listed
            self._heard = True
            self._leave_if_unwanted()
            self._changed.notify_all()
        for number in listed:
            if report := self._book.report_of(number):
                self._tell(report)

    def _leave_if_unwanted(self) -> None:
        begun = self._book.begun
        if begun is None or self._attempt is None or not self._heard:
            return
        listed = self._listed.get(begun.job.id)
        if listed is None:
            self._attempt.leave(_UNLISTED)
        elif isinstance(listed, Job) and listed.cancel:
            self._attempt.leave(_CANCELED)

    def _run(self) -> None:
        if begun := self._book.begun:
            self._resume(replace(begun, starts=begun.starts + 1))
        while entry := self._next():
            try:
                self._settle(entry)
            except Exception:  # the outermost loop of this thread: later jobs must still be done
                logger.exception("job %s failed", entry.id)
                self._end(JobReport(entry.id, JobState.FAILED, reason="the agent failed; its log says why"))

    def _resume(self, begun: Begun) -> None:
        """A job whose step ends the agent, or the whole board, must not end it for ever."""
        if begun.starts > _MOST_STARTS:
            self._end(begun.ended(JobState.FAILED, f"the agent ended {_MOST_STARTS} times during the same step"))
            return
        self._book.advance(begun)
        self._work_off(begun, resumed=True)

    def _next(self) -> Job | JobReport | None:
        """The oldest that was not settled yet, once there is one; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._unsettled())
            return None if self._stopping else self._unsettled()

    def _unsettled(self) -> Job | JobReport | None:
        return next((each for each in self._listed.values() if not self._book.report_of(each.id)), None)

    def _settle(self, entry: Job | JobReport) -> None:
        if isinstance(entry, JobReport):
            self._end(entry)
        elif entry.cancel:
            self._end(JobReport(entry.id, JobState.CANCELED))
        else:
            self._begin(entry)

    def _begin(self, job: Job) -> None:
        """What cannot be kept is not begun: it might be done twice."""
        begun = Begun(job)
        try:
            self._book.keep(begun)
        except OSError as error:
            self._end(begun.ended(JobState.FAILED, f"the device cannot keep what becomes of it: {error}"))
            return
        logger.info("job %s (%s) begins", job.id, job.kind)
        self._tell(begun.report)
        self._work_off(begun, resumed=False)

    def _work_off(self, begun: Begun, *, resumed: bool) -> None:
        job = begun.job
        attempt = Attempt(
            lambda: self._makers[job.kind](job, resumed),
            begun=begun,
            progressed=lambda now: self._progressed(attempt, now),
            ended=self._wake,
            patience_s=self._patience_s,
        )
        with self._changed:
            self._attempt, self._began_s, self._told_s = attempt, self._clock() - begun.spent_s, -math.inf
            self._leave_if_unwanted()
            attempt.start()
            self._changed.wait_for(
                lambda: attempt.outcome or self._stopping, timeout=max(0.0, job.timeout_s - begun.spent_s)
            )
            outcome, stopping, self._attempt = attempt.outcome, self._stopping, None
        attempt.leave()
        if outcome is None and stopping:
            attempt.join(self._parting_s)
            self._book.advance(replace(self._now(self._book.begun or begun), starts=0))
            return
        self._end((self._book.begun or begun).ended(*(outcome or self._late(job, attempt))))

    def _late(self, job: Job, attempt: Attempt) -> tuple[JobState, str]:
        why = f"; the latest step: {attempt.complaint}" if attempt.complaint else ""
        return JobState.TIMED_OUT, f"it took longer than {job.timeout_s:g} s{why}"

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _progressed(self, attempt: Attempt, begun: Begun) -> None:
        """On the attempt's thread. One that was left behind has nothing to say any more."""
        with self._changed:
            now_s = self._clock()
            if attempt is not self._attempt or self._book.begun is None:
                return
            begun = self._now(begun)
            if now_s - self._told_s < _TOLD_EVERY_S:
                self._book.note(begun)
                return
            self._told_s = now_s
        self._book.advance(begun)
        self._tell(begun.report)

    def _now(self, begun: Begun) -> Begun:
        return replace(begun, spent_s=max(begun.spent_s, self._clock() - self._began_s))

    def _end(self, report: JobReport) -> None:
        logger.info("job %s: %s%s", report.id, report.state, f" ({report.reason})" if report.reason else "")
        self._book.end(report, listed=self._listed)
        self._tell(report)

    def _tell(self, report: JobReport) -> None:
        self._bus.publish(topics.job_reported(self._device), report.to_bytes())
