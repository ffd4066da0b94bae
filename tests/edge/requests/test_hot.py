"""A device that does not reach its clocks, is slowed down, or may not use them all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.offload.cloud import CloudFailed
from hardware.board import Applied, ClockNotApplied
from hardware.throttling import Slowdown
from planner.choosing.limits import Limits
from protocol.messages import RecordKind, TableState

OPERATOR = "operator-token"
TOP_KHZ, CAP_KHZ, LOW_KHZ = 1_800_000, 1_400_000, 600_000


class HotBoard:
    """The emulated board, with a cap on its clock and a word of its firmware."""

    def __init__(self, board) -> None:
        self._board = board
        self.cap_khz = TOP_KHZ
        self.left = False
        self.word = Slowdown()
        self.slowed_by_work = Slowdown()
        self.asked_khz: list[int] = []

    def __getattr__(self, name):
        return getattr(self._board, name)

    def apply(self, *, cpu_khz: int, accelerator) -> Applied:
        self.asked_khz.append(cpu_khz)
        applied = self._board.apply(cpu_khz=min(cpu_khz, self.cap_khz), accelerator=accelerator)
        if applied.cpu_khz != cpu_khz:
            raise ClockNotApplied(
                f"policy0 was set to {cpu_khz} kHz but runs at {applied.cpu_khz} kHz", reached_khz=applied.cpu_khz
            )
        return applied

    def execute(self, work, run, *, threads: int = 1):
        result = self._board.execute(work, run, threads=threads)
        self.word = Slowdown(self.word.word | self.slowed_by_work.word, self.word.count + self.slowed_by_work.count)
        return result

    def holds(self, cpu_khz: int) -> bool:
        return not self.left and self._board.holds(cpu_khz)

    def slowdown(self, **_how) -> Slowdown:
        return self.word


def rows_at(table, *clocks_khz: int):
    rows = [
        replace(row, configuration=replace(row.configuration, cpu_khz=khz), head_mj=row.head_mj * khz / 1e6)
        for row in table.rows
        for khz in clocks_khz
    ]
    return replace(table, rows=tuple(rows))


@pytest.fixture
def hot(make_device, digits, table_for):
    """A device with rows at these clocks, and its board."""

    def making(*clocks_khz: int, **how):
        device = make_device(board=lambda board, _clock: HotBoard(board), **how)
        device.source.add(digits)
        assert device.push(rows_at(table_for(digits), *clocks_khz)).state is TableState.APPLIED
        return device

    return making


def clock_of(reply) -> int:
    return reply.parameters["configuration"]["cpu_khz"]


def test_a_clock_that_is_not_reached_fails_no_request_and_its_record_says_so(hot, inputs, reply_of):
    device = hot(TOP_KHZ)
    device.board.cap_khz = CAP_KHZ

    replies = [reply_of(device.infer(inputs)) for _ in range(3)]

    assert "runs at 1400000 kHz" in replies[0].parameters["fallback"]
    assert {reply.parameters["fallback"] for reply in replies[1:]} == {
        "clock 1800000 kHz was not reached lately, 1400000 kHz was set"
    }
    assert [record["fallback"] for record in device.records()] == [r.parameters["fallback"] for r in replies]


def test_a_clock_that_is_not_reached_is_left_alone_for_a_while_then_tried_again(hot, inputs, reply_of):
    device = hot(TOP_KHZ, LOW_KHZ)
    device.board.cap_khz = CAP_KHZ

    hot_replies = [reply_of(device.infer(inputs, {"strategy": "edge-only"}, token=OPERATOR)) for _ in range(3)]
    device.board.cap_khz = TOP_KHZ
    device.clock.sleep(60)
    cool = reply_of(device.infer(inputs, {"strategy": "edge-only"}, token=OPERATOR))

    assert [clock_of(reply) for reply in hot_replies] == [TOP_KHZ, LOW_KHZ, LOW_KHZ]
    assert [reply.parameters["fallback"] for reply in hot_replies[1:]] == ["", ""]
    assert (clock_of(cool), cool.parameters["fallback"]) == (TOP_KHZ, "")


def test_firmware_that_takes_the_clock_away_while_a_head_runs_is_noticed(hot, inputs, reply_of):
    device = hot(TOP_KHZ, LOW_KHZ)
    edge_only = {"strategy": "edge-only"}
    device.board.slowed_by_work = Slowdown(0x4)

    first = reply_of(device.infer(inputs, edge_only, token=OPERATOR))
    second = reply_of(device.infer(inputs, edge_only, token=OPERATOR))

    assert (clock_of(first), clock_of(second)) == (TOP_KHZ, LOW_KHZ)


def profiled(device, inputs, khz: int, cut: int):
    asked = {"profile": True, "configuration": {"cut": cut, "cpu_khz": khz}}
    return device.infer(inputs, asked, token=OPERATOR)


@pytest.fixture
def cut(digits) -> int:
    return digits.manifest.operator_count


def test_what_cannot_run_at_its_clock_is_not_measured(hot, inputs, cut):
    device = hot(LOW_KHZ)
    device.board.cap_khz = CAP_KHZ

    response = profiled(device, inputs, TOP_KHZ, cut)

    assert (response.status_code, "runs at 1400000 kHz" in response.get_json()["error"]) == (503, True)
    assert device.records(RecordKind.MEASUREMENT) == []


@pytest.mark.parametrize("edge_only", [False, True])
def test_what_leaves_its_clock_while_it_runs_is_not_measured(hot, inputs, digits, edge_only):
    device = hot(LOW_KHZ)
    device.board.left = True

    response = profiled(device, inputs, LOW_KHZ, digits.manifest.cuts[-1 if edge_only else 1])

    assert (response.status_code, "left 600000 kHz" in response.get_json()["error"]) == (503, True)
    assert device.records(RecordKind.MEASUREMENT) == []


@pytest.mark.parametrize(("before", "during"), [(0x1, 0), (0, 0x8), (0, 0x80000)])
def test_what_is_slowed_down_before_or_while_it_runs_is_not_measured(hot, inputs, cut, before, during):
    device = hot(LOW_KHZ)
    device.board.word, device.board.slowed_by_work = Slowdown(before), Slowdown(during)

    response = profiled(device, inputs, LOW_KHZ, cut)

    assert response.status_code == 503
    assert "slowed down" in response.get_json()["error"]
    assert device.records(RecordKind.MEASUREMENT) == []


def test_it_is_kept_and_marked_where_that_is_set(hot, inputs, cut):
    device = hot(LOW_KHZ, keep_throttled=True)
    device.board.slowed_by_work = Slowdown(0x8)

    assert profiled(device, inputs, LOW_KHZ, cut).status_code == 200
    assert [record["throttled"] for record in device.records(RecordKind.MEASUREMENT)] == [True]


def test_a_cool_device_measures_as_ever(hot, inputs, cut):
    device = hot(LOW_KHZ)

    assert profiled(device, inputs, LOW_KHZ, cut).status_code == 200
    assert [record["throttled"] for record in device.records(RecordKind.MEASUREMENT)] == [False]


def test_clocks_that_may_not_be_used_are_used_for_nothing(hot, inputs, reply_of, cut):
    device = hot(TOP_KHZ, LOW_KHZ, limits=Limits(max_clock_khz=1_500_000))
    device.cloud.failure = CloudFailed("away")

    for strategy in ("dynasplit", "fastest", "cloud-only", "edge-only"):
        reply_of(device.infer(inputs, {"strategy": strategy}, token=OPERATOR))

    assert max(device.board.asked_khz) == CAP_KHZ
    response = device.infer(inputs, {"configuration": {"cut": cut, "cpu_khz": TOP_KHZ}}, token=OPERATOR)
    assert (response.status_code, "may not be used" in response.get_json()["error"]) == (400, True)
    assert TOP_KHZ not in device.client.get("/v2").get_json()["device"]["clocks_khz"]


def test_a_table_without_an_allowed_clock_is_rejected(make_device, digits, table_for):
    device = make_device(limits=Limits(max_clock_khz=1_500_000))
    device.source.add(digits)

    report = device.push(rows_at(table_for(digits), TOP_KHZ))

    assert report.state is TableState.REJECTED
    assert "max_clock_khz 1500000" in report.reason
