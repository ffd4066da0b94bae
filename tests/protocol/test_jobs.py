"""Jobs and their orders, as they travel."""

from __future__ import annotations

import json

import pytest

from protocol.configuration import Codec, Configuration
from protocol.errors import InvalidInput
from protocol.job_orders import ProfileOrder, pushed_network
from protocol.jobs import Job, JobKind, JobList, JobReport, JobState, read_jobs

ORDER = ProfileOrder("net", "b" * 64, (Codec.RAW, Codec.INT8_ZSTD), 5)
JOB = Job("job-1", JobKind.PROFILE, ORDER.to_json(), timeout_s=60.0)
REPORT = JobReport("job-1", JobState.IN_PROGRESS, done=3, total=10)


def test_documents_come_back_as_they_were():
    jobs = JobList((JOB, Job("job-2", JobKind.RESTART, cancel=True)))
    exact = ProfileOrder("net", "b" * 64, (), 2, (Configuration(4, 600_000),))
    assert JobList.from_bytes(jobs.to_bytes()) == jobs
    assert JobReport.from_bytes(REPORT.to_bytes()) == REPORT
    assert ProfileOrder.from_json(ORDER.to_json()) == ORDER
    assert ProfileOrder.from_json(exact.to_json()) == exact
    assert pushed_network({"network": "net"}) == "net"


def test_a_state_is_final_when_nothing_can_follow():
    assert [state for state in JobState if not state.final] == [JobState.QUEUED, JobState.IN_PROGRESS]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"network": "a/b"}, "network"),
        ({"repeats": 0}, "repeats"),
        ({"repeats": "5"}, "repeats"),
        ({"codecs": ["zip"]}, "codec"),
        ({"codecs": []}, "codecs"),
        ({"configurations": [{"cut": -1, "cpu_khz": 1}]}, "cut"),
        ({"bundle": 5}, "bundle"),
    ],
)
def test_an_order_that_cannot_be_carried_out_is_refused_by_parameter(change, reason):
    with pytest.raises(InvalidInput, match=reason):
        ProfileOrder.from_json({**ORDER.to_json(), **change})


def test_a_push_names_its_network():
    with pytest.raises(InvalidInput, match="network"):
        pushed_network({})


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, 1e9])
def test_a_timeout_lies_within_a_week(timeout_s):
    with pytest.raises(InvalidInput, match="week"):
        Job("job-1", JobKind.RESTART, timeout_s=timeout_s)


def test_one_job_that_cannot_be_read_holds_up_no_other():
    entries = [{**JOB.to_json(), "id": "odd", "kind": "dance"}, JOB.to_json()]
    payload = json.dumps({"schema": 1, "jobs": entries}).encode()

    jobs, refused = read_jobs(payload)

    assert jobs == (JOB,)
    assert [(report.id, report.state) for report in refused] == [("odd", JobState.FAILED)]
    assert "profile, push, restart" in refused[0].reason
    with pytest.raises(InvalidInput, match="job odd"):
        JobList.from_bytes(payload)


@pytest.mark.parametrize("entry", [5, {}, {"id": "a/b"}, {"id": 5}])
def test_a_list_with_a_job_that_nobody_can_report_about_is_refused(entry):
    with pytest.raises(InvalidInput, match="job id"):
        read_jobs(json.dumps({"schema": 1, "jobs": [entry]}).encode())


@pytest.mark.parametrize("count", ["done", "total"])
def test_a_report_counts_from_0_on(count):
    payload = json.dumps({**REPORT.to_json(), count: -1}).encode()

    with pytest.raises(InvalidInput, match=f"'{count}' must be 0 or more, not -1"):
        JobReport.from_bytes(payload)
