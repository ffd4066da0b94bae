"""A rollout to five devices on a bus, through ingest: what they say comes in as everything of them does."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator

import pytest

from cloud.broker.publishing import BusPublisher
from cloud.intake.ingest import Ingest
from cloud.rollouts.driving import Driver
from cloud.rollouts.starting import start
from cloud.store.memory import MemoryStore
from cloud.store.rollouts.values import Plan, Rollout, RolloutState
from protocol import topics
from protocol.bus import InMemoryBus, InMemoryHub
from protocol.messages import TableReport, TableState
from protocol.presence import Availability
from protocol.signing import SignedTable

DEVICES = [f"pi-{number}" for number in range(1, 6)]
LOOKS = 2_000


class Device:
    """Applies the tables that it gets; a frail one goes back from those that it applied."""

    def __init__(self, hub: InMemoryHub, name: str, *, frail: bool) -> None:
        self.applied: list[int] = []
        self._name = name
        self._frail = frail
        self._bus = InMemoryBus(hub)
        self._bus.subscribe(topics.desired(name, "+"), self._take)
        self._bus.start()
        self._bus.publish(topics.availability(name), Availability.ONLINE.to_bytes(), retain=True)

    def _take(self, _topic: str, payload: bytes) -> None:
        table = SignedTable.from_json(json.loads(payload)).table
        self.applied.append(table.version)
        self._say(TableReport("digits", table.digest, table.version, TableState.APPLIED))
        if self._frail:
            reason = "failed 2 of its first 3 requests"
            self._say(TableReport("digits", "", 0, TableState.ROLLED_BACK, reason, failed=table.digest))

    def _say(self, report: TableReport) -> None:
        self._bus.publish(topics.reported(self._name, "digits"), report.to_bytes(), retain=True)

    def stop(self) -> None:
        self._bus.stop()


Play = Callable[..., tuple[Rollout, list[Device]]]


@pytest.fixture
def play(make_signed) -> Iterator[Play]:
    """Plays a rollout to its end over devices of which some are frail."""
    running: list[Device | Ingest] = []

    def to_the_end(*, frail: str = "", **plan: float) -> tuple[Rollout, list[Device]]:
        hub, store = InMemoryHub(), MemoryStore()
        bus = InMemoryBus(hub)
        ingest = Ingest(bus, store, gather_s=0.0)
        ingest.start()
        running.append(ingest)
        for number, name in enumerate(DEVICES):
            store.add_device(name, token_sha256=str(number) * 64)
        devices = [Device(hub, name, frail=name == frail) for name in DEVICES]
        running.extend(devices)
        driver, tick = Driver(store, BusPublisher(bus)), threading.Event()
        tables = [make_signed(1, device=name) for name in DEVICES]
        store.add_bundle(tables[0].table.bundle, network="digits")
        wanted = Plan(soak_s=0.0, **plan)
        rollout = start(store, "digits", tables, wanted, at=0.0)
        for _ in range(LOOKS):
            driver.look()
            if (rollout := store.rollout(rollout.id)).state.final:
                return rollout, devices
            tick.wait(0.005)
        raise AssertionError(rollout)

    yield to_the_end
    for each in reversed(running):
        each.stop()


def test_all_five_apply_their_tables(play):
    rollout, devices = play(canary_share=0.2, growth=1.0)

    assert (rollout.state, rollout.counts()) == (RolloutState.DONE, {"applied": 5})
    assert [device.applied for device in devices] == [[1]] * 5


def test_the_one_that_goes_back_stops_it(play):
    rollout, devices = play(frail="pi-2", canary_share=0.4)

    assert rollout.state is RolloutState.STOPPED
    assert rollout.reason == "pi-2: rolled_back: failed 2 of its first 3 requests"
    assert [device.applied for device in devices] == [[1], [1], [], [], []]
