"""The state: told after each connect, on a change, and every so often."""

from __future__ import annotations

import pytest

from edge.telemetry.state import StateTeller
from protocol import topics
from protocol.bus import InMemoryBus, InMemoryHub
from protocol.configuration import Provenance
from protocol.state import DeviceState, PowerState, RequestState

DEVICE = "pi-1"
FOREVER_S = 10_000.0


class Look:
    """States that count their looks as uptime; the first ones may fail."""

    def __init__(self, failures: int = 0) -> None:
        self.looks = 0
        self._failures = failures

    def __call__(self) -> DeviceState:
        self.looks += 1
        if self.looks <= self._failures:
            raise ZeroDivisionError
        power = PowerState("scripted", Provenance.EMULATED, 3.0, 0.1, ())
        return DeviceState("0.1.0", float(self.looks), power, RequestState())


@pytest.fixture
def hub():
    return InMemoryHub()


@pytest.fixture
def teller(hub):
    """Starts to tell; gives the teller and the device's bus."""
    started = []

    def start(look, *, every_s: float = FOREVER_S):
        bus = InMemoryBus(hub)
        made = StateTeller(bus, device=DEVICE, look=look, every_s=every_s, closest_s=0.0)
        made.start()
        started.append(made)
        return made, bus

    yield start
    for made in started:
        made.stop()


def told(hub) -> float:
    payload = hub.retained.get(topics.state(DEVICE))
    return DeviceState.from_bytes(payload).uptime_s if payload else 0.0


def test_it_is_told_after_each_connect(teller, hub, wait_until):
    _, bus = teller(Look())
    bus.start()
    wait_until(lambda: told(hub) >= 1)
    hub.retained.clear()
    bus.stop()
    bus.start()
    wait_until(lambda: told(hub) >= 2)


def test_it_is_told_when_something_changed(teller, hub, wait_until):
    made, bus = teller(Look())
    bus.start()
    wait_until(lambda: told(hub) >= 1)
    before = told(hub)
    made.changed()
    wait_until(lambda: told(hub) > before)


def test_it_is_told_every_so_often(teller, hub, wait_until):
    _, bus = teller(Look(), every_s=0.01)
    bus.start()
    wait_until(lambda: told(hub) >= 5)


def test_nobody_looks_while_nothing_happens(teller, wait_until):
    look = Look()
    made, bus = teller(look)
    bus.start()
    wait_until(lambda: look.looks)
    made.stop()
    assert look.looks <= 2


def test_a_look_that_fails_is_not_the_last(teller, hub, wait_until):
    look = Look(failures=2)
    _, bus = teller(look, every_s=0.01)
    bus.start()
    wait_until(lambda: told(hub) >= 3)
