"""The condition: what the agent's rooms know of themselves, gathered."""

from __future__ import annotations

import pytest

from edge.condition import Condition, Parts
from edge.requests.recent import RecentRequests
from edge.telemetry.energy_total import EnergyTotal
from protocol.configuration import Provenance


@pytest.fixture
def condition(serving, tmp_path):
    parts = Parts(
        serving.board,
        "emulated-pi4",
        EnergyTotal(serving.board.meter, tmp_path / "energy.json"),
        serving.agent._recorder.recent,
        serving.networks,
        serving.outbox,
        accelerators=lambda: {"std": {"usable": True}, "max": {"usable": False, "reason": "it hung"}},
    )
    return Condition(parts, clock=serving.clock)


def test_what_was_served_shows(serving, condition, inputs):
    serving.infer(inputs)
    serving.infer(inputs, {"deadline_ms": 0.001})
    serving.clock.sleep(5.0)

    state = condition()

    assert state.requests.count == 2
    assert state.requests.violations == 1
    assert state.requests.median_ms > 0
    assert state.tables == {"digits": 1}
    assert state.waiting == 2
    assert state.uptime_s > 5.0
    assert state.power.provenance is Provenance.EMULATED
    assert state.power.watts > 0
    assert state.accelerators == {"std": "usable", "max": "it hung"}
    assert state.throttled == ()


def test_a_device_that_has_done_nothing_yet_has_no_latency(condition):
    state = condition()
    assert (state.requests.count, state.requests.last_ms, state.requests.median_ms) == (0, None, None)


def test_the_median_is_of_the_latest():
    assert RecentRequests().state.median_ms is None
