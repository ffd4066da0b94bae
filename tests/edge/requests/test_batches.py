"""A head that is measured runs as often as the meter needs to tell its energy."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from edge.requests import execution
from hardware.board import Board
from hardware.power.meter import Reading
from protocol.configuration import Provenance


@dataclass
class CoarseMeter:
    """The board's own figures, as if measured by a meter with a period."""

    board: Board
    period_s: float
    provenance = Provenance.MEASURED

    def read(self) -> Reading:
        return self.board.meter.read()


class CoarselyMetered:
    """A board with such a meter."""

    def __init__(self, board: Board, period_s: float) -> None:
        self._board = board
        self.meter = CoarseMeter(board, period_s)
        self.works = 0

    def __getattr__(self, name):
        return getattr(self._board, name)

    def execute(self, work, run, *, threads=1):
        self.works += 1
        return self._board.execute(work, run, threads=threads)


CONFIGURATION = {
    "cut": 4,
    "cpu_khz": 1_200_000,
    "edge_accelerator": "off",
    "cloud_accelerator": "cpu",
    "codec": "raw",
    "threads": 1,
}


@pytest.fixture
def run(make_device, table_for, digits, inputs, reply_of):
    """Runs the head at cut 4 on a device whose meter has this period; what the reply says of it, and how often it ran."""

    def running(period_s: float, *, profile: bool):
        device = make_device(board=lambda board, _clock: CoarselyMetered(board, period_s))
        device.source.add(digits)
        device.push(table_for(digits))
        asked = {"configuration": CONFIGURATION, "profile": profile}
        return reply_of(device.infer(inputs, asked, token="operator-token")).parameters["cost"], device.board.works

    return running


def test_the_mean_over_a_batch_is_a_measurement_where_one_run_would_be_an_estimate(run):
    exact, once = run(0.0, profile=True)
    coarse, often = run(0.05, profile=True)

    assert (once, exact["provenance"]["head_mj"]) == (1, "measured")
    assert coarse["provenance"]["head_mj"] == "measured"
    assert often * exact["head_ms"] >= 5 * 50 > (often - 2) * exact["head_ms"] / 1.2
    for figure in ("head_ms", "head_mj", "latency_ms"):
        assert coarse[figure] == pytest.approx(exact[figure], rel=1e-6)


def test_a_request_that_is_served_runs_once(run):
    cost, works = run(0.05, profile=False)

    assert (works, cost["provenance"]["head_mj"]) == (1, "estimated")


def test_a_very_slow_meter_does_not_hold_the_device_for_ever(run, monkeypatch):
    monkeypatch.setattr(execution, "_LONGEST_BATCH_S", 0.1)
    cost, works = run(60.0, profile=True)

    assert (works - 1) * cost["head_ms"] < 100 <= works * cost["head_ms"] * 1.001
    assert cost["provenance"]["head_mj"] == "estimated"
