"""New tables are on probation: one whose first requests fail makes way for the one before, and does not come back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.runners.port import RunnerLost, RunnersHere, open_fake
from edge.tables.desired import DesiredTables
from edge.tables.history import TableStore
from edge.tables.probation import FAILURES, REQUESTS
from hardware.board import ClockNotApplied
from models.running.runner import RunnerFailed
from protocol.bus import InMemoryBus, InMemoryHub
from protocol.configuration import Configuration, EdgeAccelerator
from protocol.errors import AcceleratorFailed, ServiceMissing
from protocol.messages import TableState

LOST = RunnerLost("the head at cut 4 took longer than 30 s, so the runner was killed")
CPU = Configuration(4, 1_800_000)


class Breakable(RunnersHere):
    """Raises `failure` for heads while there is one."""

    failure: Exception | None = None

    def head(self, *call, **limit):
        if self.failure:
            raise self.failure
        return super().head(*call, **limit)


@pytest.fixture
def runners():
    return Breakable(opener=open_fake)


@pytest.fixture
def device(make_device, digits, runners, table_for):
    """Serves with version 1; version 2 is on probation."""
    made = make_device(runners=runners)
    made.source.add(digits)
    made.push(table_for(digits))
    made.push(newer(digits, table_for))
    return made


def newer(digits, table_for, version=2):
    """Runs all of it on the device."""
    rows = tuple(row for row in table_for(digits).rows if not row.uses_cloud)
    return table_for(digits, version=version, rows=rows)


def version_in_use(device) -> int:
    return device.networks.get("digits").plan.table.version


def fail(device, runners, inputs, times, failure=LOST) -> None:
    runners.failure = failure
    for _ in range(times):
        device.infer(inputs)
    runners.failure = None


def test_a_table_that_fails_its_first_requests_makes_way_for_the_one_before(device, runners, inputs):
    fail(device, runners, inputs, FAILURES)
    report = device.tables.judge("digits")
    assert (report.state, report.version) == (TableState.ROLLED_BACK, 1)
    assert "version 2, failed 2 of its first 2 requests: the head at cut 4 took longer" in report.reason
    assert version_in_use(device) == 1
    assert device.infer(inputs).status_code == 200


def test_it_does_not_come_back_also_after_a_restart(device, make_device, runners, inputs, digits, table_for):
    fail(device, runners, inputs, FAILURES)
    device.tables.judge("digits")
    assert device.push(newer(digits, table_for)) is None
    again = make_device()
    (report,) = again.tables.resume()
    assert (report.state, report.version) == (TableState.ROLLED_BACK, 1) and "version 2, failed" in report.reason
    assert again.push(newer(digits, table_for)) is None
    assert again.push(newer(digits, table_for, version=3)).state is TableState.APPLIED
    assert make_device().tables.resume()[0].state is TableState.APPLIED


def test_failures_count_over_a_restart(device, make_device, runners, inputs):
    fail(device, runners, inputs, 1)
    assert device.tables.judge("digits") is None
    again = make_device(runners=runners)
    again.tables.resume()
    fail(again, runners, inputs, 1)
    assert again.tables.judge("digits").state is TableState.ROLLED_BACK


def test_a_table_that_served_its_first_requests_is_kept_whatever_comes_later(device, runners, inputs):
    fail(device, runners, inputs, 1)
    for _ in range(REQUESTS - 1):
        assert device.infer(inputs).status_code == 200
    assert device.tables.judge("digits") is None
    fail(device, runners, inputs, 5)
    assert device.tables.judge("digits") is None
    assert version_in_use(device) == 2


def test_the_first_table_has_none_to_go_back_to(make_device, runners, digits, table_for, inputs):
    made = make_device(runners=runners)
    made.source.add(digits)
    made.push(newer(digits, table_for))
    fail(made, runners, inputs, 3)
    assert made.tables.judge("digits") is None and version_in_use(made) == 2


def test_one_that_was_not_proven_itself_is_not_gone_back_to(device, runners, inputs, digits, table_for):
    device.push(newer(digits, table_for, version=3))
    fail(device, runners, inputs, FAILURES)
    assert device.tables.judge("digits").version == 1


@pytest.mark.exhaustive(sample=2)
@pytest.mark.parametrize(
    ("failure", "accelerator", "counts"),
    [
        (LOST, EdgeAccelerator.OFF, True),
        (RunnerFailed("opening the bundle failed"), EdgeAccelerator.OFF, True),
        (ClockNotApplied("600000 kHz were asked for"), EdgeAccelerator.OFF, False),
        (LOST, EdgeAccelerator.MAX, False),
        (AcceleratorFailed("the Edge TPU is gone"), EdgeAccelerator.OFF, False),
        (ServiceMissing("the cloud is away"), EdgeAccelerator.OFF, False),
    ],
)
def test_only_what_the_device_did_wrong_on_its_cpu_counts(device, failure, accelerator, counts):
    table = device.networks.get("digits").plan.table.digest
    for _ in range(FAILURES):
        device.networks.probations.outcome(table, replace(CPU, edge_accelerator=accelerator), failure)
    assert device.networks.probations.of("digits").failed == FAILURES * counts


def test_a_runner_that_was_lost_counts_also_where_the_cloud_answered(
    make_device, runners, digits, table_for, row, inputs
):
    made = make_device(runners=runners)
    made.source.add(digits)
    made.push(table_for(digits))
    made.push(table_for(digits, version=2, rows=(row(4, digits),)))
    runners.failure = LOST
    assert made.infer(inputs).status_code == 200
    assert made.networks.probations.of("digits").failed == 1


def test_what_ran_by_another_table_or_none_says_nothing_about_this_one(device, digits, table_for):
    for table in ("", table_for(digits).digest):
        device.networks.probations.outcome(table, CPU, LOST)
    assert device.networks.probations.of("digits").failed == 0


def test_a_disk_that_is_full_does_not_keep_a_bad_table_in_use(device, runners, inputs, monkeypatch):
    fail(device, runners, inputs, FAILURES)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edge.durable.replace_content", full)
    assert device.tables.judge("digits").state is TableState.ROLLED_BACK
    assert version_in_use(device) == 1


@pytest.mark.exhaustive
def test_whatever_moment_going_back_ends_at_one_of_the_two_tables_serves(
    tmp_path, device, make_device, runners, inputs, digits, table_for, crashes
):
    fail(device, runners, inputs, FAILURES)
    histories = tmp_path / "tables"
    before = TableStore(histories).load("digits")

    def judging(folder) -> None:
        device.tables._store = TableStore(folder)
        device.tables.judge("digits")

    for crash in crashes(judging, prepared=histories):
        left = TableStore(crash.folder).load("digits")
        back = left.current.table.version == 1 and list(left.rejected) == [before.probation.fingerprint]
        assert back if crash.done else back or left == before, crash


def test_the_table_is_judged_and_reported_by_itself(device, runners, inputs, wait_until):
    reports = []
    desired = DesiredTables(device.tables, report=reports.append)
    desired.start(InMemoryBus(InMemoryHub()), device="pi-1")
    try:
        fail(device, runners, inputs, FAILURES)
        wait_until(lambda: reports)
    finally:
        desired.stop()
    assert reports[0].state is TableState.ROLLED_BACK and version_in_use(device) == 1
