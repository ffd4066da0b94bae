"""The book of jobs: the old or the new state at every crash, and a new one where it cannot be read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.jobs.book import Begun, JobBook
from protocol.jobs import Job, JobKind, JobReport, JobState

BEGUN = Begun(Job("a", JobKind.RESTART), done=1, total=4, spent_s=2.5)
ENDED = BEGUN.ended(JobState.FAILED, "no")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "jobs.json"


def test_what_is_kept_is_there_after_a_restart(path):
    book = JobBook(path)
    book.end(JobReport("z", JobState.CANCELED), listed=())
    book.keep(BEGUN)
    again = JobBook(path)
    assert again.begun == BEGUN
    assert again.report_of("a") == BEGUN.report
    assert again.report_of("z") == JobReport("z", JobState.CANCELED)
    assert again.report_of("other") is None


def test_what_has_ended_is_not_under_way(path):
    book = JobBook(path)
    book.keep(BEGUN)
    book.end(ENDED, listed=())
    book.advance(replace(BEGUN, done=3))
    again = JobBook(path)
    assert again.begun is None
    assert again.report_of("a") == ENDED


def test_only_the_latest_and_the_listed_are_remembered(path):
    book = JobBook(path, ended_kept=4)
    for number in range(9):
        book.end(JobReport(f"job-{number}", JobState.SUCCEEDED), listed=["job-0"])
    again = JobBook(path)
    known = [number for number in range(9) if again.report_of(f"job-{number}")]
    assert known == [0, 5, 6, 7, 8]


@pytest.mark.parametrize("content", [b"", b"{", b'{"schema": 1}', b'{"schema": 2, "ended": []}', b"[]", b"\xff\x00"])
def test_a_file_that_cannot_be_read_is_set_aside(path, content):
    path.write_bytes(content)
    book = JobBook(path)
    assert book.begun is None
    book.keep(BEGUN)
    assert JobBook(path).begun == BEGUN
    assert path.with_suffix(".broken").read_bytes() == content


@pytest.mark.exhaustive
def test_whatever_moment_it_ends_at_the_old_or_the_new_is_there(tmp_path, crashes):
    prepared = tmp_path / "data"
    prepared.mkdir()
    JobBook(prepared / "jobs.json").keep(BEGUN)
    for crash in crashes(lambda folder: JobBook(folder / "jobs.json").end(ENDED, listed=()), prepared=prepared):
        book = JobBook(crash.folder / "jobs.json")
        assert book.report_of("a") in ((ENDED,) if crash.done else (BEGUN.report, ENDED)), crash
        assert (book.begun is None) == (book.report_of("a") == ENDED), crash
