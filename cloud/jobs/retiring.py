"""The jobs of a device that is retired: another machine may get its name, and must not do them."""

from __future__ import annotations

import logging

from cloud.broker.publishing import Publisher
from cloud.jobs.publishing import publish_jobs
from cloud.store.jobs.port import JobStore
from protocol.errors import ServiceMissing
from protocol.jobs import JobReport, JobState

logger = logging.getLogger(__name__)


def end_jobs(store: JobStore, publisher: Publisher, *, device: str, at: float) -> None:
    """Cancels what the device has not done, `at` wall time in seconds since the epoch, and takes it off the broker; ingest
    does the latter while that is away."""
    left = [stored for stored in store.jobs(device) if not stored.state.final]
    for stored in left:
        report = JobReport(stored.job.id, JobState.CANCELED, stored.done, stored.total, "the device was retired")
        store.note_job(device, report, at=at)
    if left:
        try:
            publish_jobs(store, publisher, device=device)
        except ServiceMissing as error:
            logger.warning("%s: its jobs are taken off the broker later: %s", device, error)
