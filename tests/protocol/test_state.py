"""A device's state, as it travels."""

from __future__ import annotations

import pytest

from protocol.configuration import Provenance
from protocol.errors import InvalidInput
from protocol.state import DeviceState, PowerState, RequestState

POWER = PowerState("hwmon", Provenance.MEASURED, 3.1, 12.5, (Provenance.MEASURED, Provenance.ESTIMATED))
STATE = DeviceState(
    agent_version="0.1.0",
    uptime_s=12.0,
    power=POWER,
    requests=RequestState(5, 1, 40.0, 42.5),
    cpu_khz=1_800_000,
    temperature_c=61.5,
    throttled=("under-voltage",),
    tables={"net": 3},
    waiting=2,
    dropped={"sample": 7},
    accelerators={"std": "usable"},
)


def test_a_state_comes_back_as_it_was():
    nothing = DeviceState("0.1.0", 0.0, PowerState("none", Provenance.EMULATED, None, 0.0, ()), RequestState())
    assert DeviceState.from_bytes(STATE.to_bytes()) == STATE
    assert DeviceState.from_bytes(nothing.to_bytes()) == nothing


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema": 2}, "schema 2"),
        ({"power": {}}, "power"),
        ({"tables": {"net": "x"}}, "net"),
        ({"throttled": [1]}, "state"),
        ({"temperature_c": "hot"}, "temperature_c"),
        ({"outbox": {"waiting": 1}}, "dropped"),
    ],
)
def test_what_is_no_state_is_refused_by_field(change, reason):
    with pytest.raises(InvalidInput, match=reason):
        DeviceState.from_json({**STATE.to_json(), **change})
