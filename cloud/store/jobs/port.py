"""Jobs as the cloud keeps them: the port, its values and its refusals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from protocol.errors import Conflict, NotFound
from protocol.jobs import Job, JobList, JobReport, JobState


@dataclass(frozen=True)
class StoredJob:
    """A job and how far it is, as the device told last. Times are wall time of the cloud in seconds since the epoch."""

    device: str
    job: Job
    created_at: float
    state: JobState = JobState.QUEUED
    done: int = 0
    total: int = 0
    reason: str = ""
    started_at: float | None = None
    ended_at: float | None = None

    @property
    def position(self) -> tuple[float, str]:
        """Its place among the others."""
        return (self.created_at, self.job.id)

    def to_json(self) -> dict[str, Any]:
        names = ("device", "done", "total", "reason", "created_at", "started_at", "ended_at")
        return {
            **self.job.to_json(),
            "run": self.job.run,
            "state": self.state.value,
            **{name: getattr(self, name) for name in names},
        }


@dataclass(frozen=True)
class Unfinished:
    """What belongs on a device's topic `job`. `revision` grows with each change of it (0: never had a job)."""

    jobs: JobList
    revision: int


class JobStore(Protocol):
    """The jobs of all devices. As `cloud.store.Store`: thread-safe, committed on return, ServiceMissing when it is away."""

    def add_job(self, device: str, job: Job, *, at: float) -> None:
        """Keeps a new job, queued."""
        ...

    def jobs(
        self, device: str, *, before: tuple[float, str] | None = None, limit: int | None = None
    ) -> list[StoredJob]:
        """Newest first, at most `limit`; the next page is `before` the last one's `position`."""
        ...

    def job(self, device: str, job_id: str) -> StoredJob:
        """NotFound when the device has no such job."""
        ...

    def cancel_job(self, device: str, job_id: str) -> None:
        """Notes that it is not wanted any more; the device ends it. NotFound, or Conflict when it has ended already."""
        ...

    def note_job(self, device: str, report: JobReport, *, at: float) -> bool:
        """How far a job is; False when the device has no such job. What has ended stays as it ended.

        Until then it only goes forward: of several processes that each note all news, one may be late.
        """
        ...

    def unfinished_jobs(self, device: str) -> Unfinished:
        """Oldest first."""
        ...

    def note_jobs_published(self, device: str, *, revision: int) -> None:
        """The broker has taken the list of this revision."""
        ...

    def note_job_lists_lost(self) -> None:
        """The broker may have lost all lists that it took: none counts as published."""
        ...

    def devices_with_unpublished_jobs(self) -> list[str]:
        """Whose list has changed since the broker took it."""
        ...


def job_unknown(device: str, job_id: str) -> NotFound:
    return NotFound(f"device '{device}' has no job {job_id:.64}")


def job_ended(stored: StoredJob) -> Conflict:
    return Conflict(f"job {stored.job.id} of '{stored.device}' has ended already: {stored.state.value}")
