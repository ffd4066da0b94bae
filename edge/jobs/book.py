"""The book of jobs: which one is under way and how far, and how the latest ones ended, in one file."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge import durable
from protocol.documents import canonical_bytes, check_schema, field, parse_object
from protocol.errors import DynaSplitError
from protocol.jobs import Job, JobReport, JobState

logger = logging.getLogger(__name__)

SCHEMA = 1
_ENDED_KEPT = 256
"""More than are listed at once, as a rule."""


@dataclass(frozen=True)
class Begun:
    """A job that is under way: `done` of `total` steps (0 of 0: not known yet), after `spent_s` of work on it. Of those done
    so many `failed`, the first of them for this `reason`. Since its latest step, or a clean end of the agent, it was started
    `starts` times.
    """

    job: Job
    done: int = 0
    total: int = 0
    spent_s: float = 0.0
    failed: int = 0
    reason: str = ""
    starts: int = 1

    def stepped(self, failure: str | None) -> Begun:
        """After one more step, which went well or failed for a reason."""
        if failure is None:
            return replace(self, done=self.done + 1, starts=0)
        return replace(self, done=self.done + 1, failed=self.failed + 1, reason=self.reason or failure, starts=0)

    @property
    def outcome(self) -> tuple[JobState, str]:
        """How it ends when all steps are done: failed only if none went well."""
        if not self.failed:
            return JobState.SUCCEEDED, ""
        state = JobState.FAILED if self.failed == self.total else JobState.SUCCEEDED
        return state, f"{self.failed} of {self.total} steps failed; the first: {self.reason}"

    @property
    def report(self) -> JobReport:
        return JobReport(self.job.id, JobState.IN_PROGRESS, self.done, self.total)

    def ended(self, state: JobState, reason: str = "") -> JobReport:
        return replace(self.report, state=state, reason=reason)

    def to_json(self) -> dict[str, Any]:
        names = ("done", "total", "spent_s", "failed", "reason", "starts")
        return {"job": self.job.to_json(), **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_json(cls, content: dict[str, Any], *, what: str) -> Begun:
        return cls(
            job=Job.from_json(content.get("job")),
            done=field(content, "done", int, what=what),
            total=field(content, "total", int, what=what),
            spent_s=field(content, "spent_s", float, what=what),
            failed=field({"failed": 0, **content}, "failed", int, what=what),
            reason=field({"reason": "", **content}, "reason", str, what=what),
            starts=field({"starts": 1, **content}, "starts", int, what=what),
        )


class JobBook:
    """Jobs by id, over restarts. Thread-safe.

    Of the jobs that ended the latest `ended_kept` are known, and all that are still listed, so that none of them runs twice. Where
    the file cannot be read it is set aside, and jobs that are still listed begin anew.
    """

    def __init__(self, path: Path, *, ended_kept: int = _ENDED_KEPT) -> None:
        self._path = path
        self._ended_kept = ended_kept
        self._lock = threading.Lock()
        self._begun, self._ended = self._stored()

    @property
    def begun(self) -> Begun | None:
        return self._begun

    def report_of(self, number: str) -> JobReport | None:
        """What is known of a job: how it ended, or how far it is; None where it was not begun."""
        with self._lock:
            if self._begun and self._begun.job.id == number:
                return self._begun.report
            return self._ended.get(number)

    def keep(self, begun: Begun) -> None:
        """What is under way now, on disk when this returns. OSError where it cannot be written; then it is not begun."""
        with self._lock:
            self._write(begun, self._ended)

    def note(self, begun: Begun) -> None:
        """How far it is by now, if it is still under way; not on disk yet."""
        with self._lock:
            if self._begun and self._begun.job.id == begun.job.id:
                self._begun = begun

    def advance(self, begun: Begun) -> None:
        """As `note`, and on disk. A disk that takes no more is logged: at worst steps are repeated."""
        with self._lock:
            if self._begun and self._begun.job.id == begun.job.id:
                self._begun = begun
                self._try_to_write()

    def end(self, report: JobReport, *, listed: Collection[str]) -> None:
        """A job has ended, also one that was never begun. A disk that takes no more is logged."""
        with self._lock:
            if self._begun and self._begun.job.id == report.id:
                self._begun = None
            latest = set(list(self._ended)[-(self._ended_kept - 1) :])
            kept = {number: ended for number, ended in self._ended.items() if number in latest or number in listed}
            self._ended = {**kept, report.id: report}
            self._try_to_write()

    def _try_to_write(self) -> None:
        try:
            self._write(self._begun, self._ended)
        except OSError as error:
            logger.error("what became of jobs cannot be kept, a restart may repeat some: %s", error)

    def _write(self, begun: Begun | None, ended: dict[str, JobReport]) -> None:
        content = {
            "schema": SCHEMA,
            "begun": begun.to_json() if begun else None,
            "ended": [report.to_json() for report in ended.values()],
        }
        durable.replace_content(self._path, canonical_bytes(content) + b"\n")
        self._begun, self._ended = begun, ended

    def _stored(self) -> tuple[Begun | None, dict[str, JobReport]]:
        what = str(self._path)
        try:
            content = parse_object(self._path.read_bytes(), what=what)
            check_schema(content, current=SCHEMA, what=what)
            begun = field({"begun": None, **content}, "begun", dict, what=what) if content.get("begun") else None
            reports = [JobReport.from_json(each) for each in field(content, "ended", list, what=what)]
            return Begun.from_json(begun, what=what) if begun else None, {report.id: report for report in reports}
        except FileNotFoundError:
            return None, {}
        except (DynaSplitError, OSError) as error:
            logger.error("what became of jobs cannot be read, those still listed begin anew: %s", error)
            durable.set_aside(self._path)
            return None, {}
