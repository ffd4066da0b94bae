"""What every store of jobs must do: in memory, in SQLite, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloud.store.jobs.port import JobStore
from cloud.store.memory import MemoryStore
from cloud.store.sql import SqlStore
from protocol.errors import Conflict, NotFound
from protocol.jobs import Job, JobKind, JobReport, JobState


@pytest.fixture
def store(migrated_or_memory) -> Iterator[JobStore]:
    made = SqlStore(migrated_or_memory) if migrated_or_memory else MemoryStore()
    yield made
    made.close()


def push(job_id: str) -> Job:
    return Job(job_id, JobKind.PUSH, {"network": "digits"}, timeout_s=60.0)


def waiting(store: JobStore, device: str = "pi-1") -> list[str]:
    return [job.id for job in store.unfinished_jobs(device).jobs.jobs]


def test_a_new_job_is_queued_as_it_was_given(store):
    store.add_job("pi-1", push("a"), at=10.0)

    stored = store.job("pi-1", "a")

    assert stored.job == push("a")
    assert (stored.state, stored.created_at, stored.started_at, stored.ended_at) == (JobState.QUEUED, 10.0, None, None)


def test_jobs_are_listed_newest_first_and_waiting_ones_oldest_first(store):
    for number, name in enumerate("abc"):
        store.add_job("pi-1", push(name), at=float(number))
    store.add_job("pi-2", push("other"), at=9.0)

    assert [stored.job.id for stored in store.jobs("pi-1")] == ["c", "b", "a"]
    assert [stored.job.id for stored in store.jobs("pi-1", limit=1)] == ["c"]
    assert [stored.job.id for stored in store.jobs("pi-1", before=(2.0, "c"), limit=1)] == ["b"]
    assert waiting(store) == ["a", "b", "c"]


def test_jobs_of_one_moment_have_an_order(store):
    for name in "bac":
        store.add_job("pi-1", push(name), at=1.0)

    (newest, *_) = store.jobs("pi-1", limit=1)

    assert [stored.job.id for stored in store.jobs("pi-1", before=newest.position)] == ["b", "a"]


def test_a_device_has_its_own_jobs_only(store):
    store.add_job("pi-1", push("a"), at=1.0)

    with pytest.raises(NotFound, match="pi-2"):
        store.job("pi-2", "a")
    with pytest.raises(NotFound):
        store.cancel_job("pi-2", "a")
    assert not store.note_job("pi-2", JobReport("a", JobState.FAILED), at=2.0)
    assert store.job("pi-1", "a").state is JobState.QUEUED


def test_reports_tell_how_far_a_job_is_and_when_it_started_and_ended(store):
    store.add_job("pi-1", push("a"), at=1.0)

    assert store.note_job("pi-1", JobReport("a", JobState.IN_PROGRESS, 1, 4), at=2.0)
    assert store.note_job("pi-1", JobReport("a", JobState.IN_PROGRESS, 3, 4), at=3.0)
    assert store.note_job("pi-1", JobReport("a", JobState.FAILED, 3, 4, "no such bundle"), at=4.0)

    stored = store.job("pi-1", "a")
    assert (stored.state, stored.done, stored.total, stored.reason) == (JobState.FAILED, 3, 4, "no such bundle")
    assert (stored.started_at, stored.ended_at) == (2.0, 4.0)
    assert waiting(store) == []


@pytest.mark.parametrize("late", [JobState.IN_PROGRESS, JobState.QUEUED, JobState.FAILED])
def test_what_has_ended_stays_as_it_ended(store, late):
    store.add_job("pi-1", push("a"), at=1.0)
    store.note_job("pi-1", JobReport("a", JobState.SUCCEEDED, 4, 4), at=2.0)

    assert store.note_job("pi-1", JobReport("a", late, 1, 4, "late"), at=3.0)

    stored = store.job("pi-1", "a")
    assert (stored.state, stored.done, stored.reason, stored.ended_at) == (JobState.SUCCEEDED, 4, "", 2.0)


def test_a_canceled_job_stays_listed_until_the_device_has_ended_it(store):
    store.add_job("pi-1", push("a"), at=1.0)

    store.cancel_job("pi-1", "a")
    assert [job.cancel for job in store.unfinished_jobs("pi-1").jobs.jobs] == [True]
    store.note_job("pi-1", JobReport("a", JobState.CANCELED), at=2.0)

    assert waiting(store) == []
    with pytest.raises(Conflict, match="CANCELED"):
        store.cancel_job("pi-1", "a")


def test_a_list_counts_as_unpublished_from_each_change_until_the_broker_took_it(store):
    assert store.devices_with_unpublished_jobs() == []
    store.add_job("pi-1", push("a"), at=1.0)
    old = store.unfinished_jobs("pi-1").revision
    store.add_job("pi-1", push("b"), at=2.0)
    new = store.unfinished_jobs("pi-1").revision

    store.note_jobs_published("pi-1", revision=old)
    assert store.devices_with_unpublished_jobs() == ["pi-1"]
    store.note_jobs_published("pi-1", revision=new)
    store.note_jobs_published("pi-1", revision=old)
    assert store.devices_with_unpublished_jobs() == []


def test_a_broker_that_may_have_lost_all_lists_is_to_be_told_them(store):
    store.add_job("pi-1", push("a"), at=1.0)
    revision = store.unfinished_jobs("pi-1").revision
    store.note_jobs_published("pi-1", revision=revision)

    store.note_job_lists_lost()
    assert store.devices_with_unpublished_jobs() == ["pi-1"]
    store.note_jobs_published("pi-1", revision=revision)
    assert store.devices_with_unpublished_jobs() == []


@pytest.mark.parametrize("change", ["cancel", "end"])
def test_an_end_and_a_cancellation_change_the_list(store, change):
    store.add_job("pi-1", push("a"), at=1.0)
    store.note_jobs_published("pi-1", revision=store.unfinished_jobs("pi-1").revision)

    if change == "cancel":
        store.cancel_job("pi-1", "a")
    else:
        store.note_job("pi-1", JobReport("a", JobState.TIMED_OUT), at=2.0)

    assert store.devices_with_unpublished_jobs() == ["pi-1"]


def test_progress_does_not_change_the_list(store):
    store.add_job("pi-1", push("a"), at=1.0)
    before = store.unfinished_jobs("pi-1")

    store.note_job("pi-1", JobReport("a", JobState.IN_PROGRESS, 1, 4), at=2.0)

    assert store.unfinished_jobs("pi-1") == before


@pytest.mark.parametrize(
    "late",
    [
        JobReport("a", JobState.QUEUED),
        JobReport("a", JobState.QUEUED, 9, 10),
        JobReport("a", JobState.IN_PROGRESS, 3, 10),
    ],
)
def test_news_that_a_process_notes_late_sets_no_job_back(store, late):
    store.add_job("pi-1", push("a"), at=10.0)
    store.note_job("pi-1", JobReport("a", JobState.IN_PROGRESS, 9, 10), at=20.0)

    assert store.note_job("pi-1", late, at=15.0)

    stored = store.job("pi-1", "a")
    assert (stored.state, stored.done, stored.total) == (JobState.IN_PROGRESS, 9, 10)
    store.note_job("pi-1", JobReport("a", JobState.TIMED_OUT, 0, 0), at=30.0)
    assert store.job("pi-1", "a").state is JobState.TIMED_OUT
