"""Jobs in memory."""

from __future__ import annotations

import threading
from dataclasses import replace

from cloud.store.jobs.port import StoredJob, Unfinished, job_ended, job_unknown
from protocol.jobs import Job, JobList, JobReport, JobState


class MemoryJobs:
    """A `JobStore` that forgets everything with its process."""

    def __init__(self) -> None:
        super().__init__()
        self._jobs_lock = threading.Lock()
        self._jobs: dict[str, StoredJob] = {}
        self._revisions: dict[str, int] = {}
        self._published: dict[str, int] = {}

    def add_job(self, device: str, job: Job, *, at: float) -> None:
        with self._jobs_lock:
            self._jobs[job.id] = StoredJob(device, job, at)
            self._changed(device)

    def jobs(
        self, device: str, *, before: tuple[float, str] | None = None, limit: int | None = None
    ) -> list[StoredJob]:
        with self._jobs_lock:
            newest_first = self._oldest_first(device)[::-1]
        return [stored for stored in newest_first if before is None or stored.position < before][:limit]

    def job(self, device: str, job_id: str) -> StoredJob:
        with self._jobs_lock:
            return self._found(device, job_id)

    def cancel_job(self, device: str, job_id: str) -> None:
        with self._jobs_lock:
            stored = self._found(device, job_id)
            if stored.state.final:
                raise job_ended(stored)
            self._jobs[job_id] = replace(stored, job=replace(stored.job, cancel=True))
            self._changed(device)

    def note_job(self, device: str, report: JobReport, *, at: float) -> bool:
        with self._jobs_lock:
            stored = self._jobs.get(report.id)
            if stored is None or stored.device != device:
                return False
            if not stored.state.final and _further(stored, report):
                self._jobs[report.id] = _told(stored, report, at=at)
                if report.state.final:
                    self._changed(device)
            return True

    def unfinished_jobs(self, device: str) -> Unfinished:
        with self._jobs_lock:
            jobs = tuple(stored.job for stored in self._oldest_first(device) if not stored.state.final)
            return Unfinished(JobList(jobs), self._revisions.get(device, 0))

    def note_jobs_published(self, device: str, *, revision: int) -> None:
        with self._jobs_lock:
            self._published[device] = max(revision, self._published.get(device, 0))

    def note_job_lists_lost(self) -> None:
        with self._jobs_lock:
            self._published.clear()

    def devices_with_unpublished_jobs(self) -> list[str]:
        with self._jobs_lock:
            return sorted(
                device for device, revision in self._revisions.items() if revision > self._published.get(device, 0)
            )

    def _found(self, device: str, job_id: str) -> StoredJob:
        stored = self._jobs.get(job_id)
        if stored is None or stored.device != device:
            raise job_unknown(device, job_id)
        return stored

    def _oldest_first(self, device: str) -> list[StoredJob]:
        stored = [stored for stored in self._jobs.values() if stored.device == device]
        return sorted(stored, key=lambda stored: stored.position)

    def _changed(self, device: str) -> None:
        self._revisions[device] = self._revisions.get(device, 0) + 1


def _further(stored: StoredJob, report: JobReport) -> bool:
    back = report.done < stored.done or (report.state is JobState.QUEUED and stored.state is not JobState.QUEUED)
    return report.state.final or not back


def _told(stored: StoredJob, report: JobReport, *, at: float) -> StoredJob:
    started = at if stored.started_at is None and report.state is not JobState.QUEUED else stored.started_at
    return replace(
        stored,
        state=report.state,
        done=report.done,
        total=report.total,
        reason=report.reason,
        started_at=started,
        ended_at=at if report.state.final else None,
    )
