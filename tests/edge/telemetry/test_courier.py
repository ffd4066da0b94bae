"""The courier: what is in the outbox reaches the store once it can, and stays until it did."""

from __future__ import annotations

import contextlib
import sqlite3
import threading

import pytest

from edge.telemetry.courier import Courier
from edge.telemetry.outbox import Outbox
from edge.telemetry.presence import Presence, last_will
from hardware.clock import VirtualClock
from protocol import topics
from protocol.bus import InMemoryBus, InMemoryHub
from protocol.messages import Ack, RecordKind, Telemetry

DEVICE = "pi-1"


class Store:
    """The other side: keeps what arrives, and acknowledges while it is willing."""

    def __init__(self, hub: InMemoryHub) -> None:
        self.bus = InMemoryBus(hub)
        self.willing = True
        self.received: list[tuple[str, int]] = []
        self.bus.subscribe(topics.telemetry(DEVICE), self._arrived)
        self.bus.start()

    def _arrived(self, _: str, payload: bytes) -> None:
        telemetry = Telemetry.from_bytes(payload)
        self.received.extend((telemetry.boot, record.sequence) for record in telemetry.records)
        if self.willing:
            self.acknowledge(telemetry)

    def acknowledge(self, telemetry: Telemetry) -> None:
        ack = Ack.of(telemetry.boot, [record.sequence for record in telemetry.records])
        self.bus.publish(topics.ack(DEVICE), ack.to_bytes())


class SlowBus(InMemoryBus):
    """Its broker delivers, and acknowledges nothing; `looked` tells that somebody saw how much is on its way by then."""

    def __init__(self, hub: InMemoryHub) -> None:
        super().__init__(hub)
        self.on_way = 0
        self.looked = threading.Event()

    def publish(self, *arguments, **options) -> bool:
        self.on_way += 1
        return super().publish(*arguments, **options)

    @property
    def backlog(self) -> int:
        if self.on_way >= 16:
            self.looked.set()
        return self.on_way


@pytest.fixture
def hub():
    return InMemoryHub()


@pytest.fixture
def outbox(tmp_path):
    made = Outbox(tmp_path / "outbox.sqlite", max_bytes=1 << 26)
    yield made
    made.close()


@pytest.fixture
def bus(hub):
    return InMemoryBus(hub, will=last_will(DEVICE))


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def courier(outbox, bus, clock):
    made = Courier(outbox, bus, device=DEVICE, linger_s=0.0, resend_after_s=0.2, clock=clock)
    made.start()
    yield made
    made.stop()


def fill(outbox, count) -> None:
    for n in range(count):
        outbox.append(RecordKind.INFERENCE, {"n": n})


def test_what_is_appended_reaches_the_store_and_leaves(hub, outbox, bus, courier, wait_until):
    store = Store(hub)
    bus.start()
    fill(outbox, 450)
    wait_until(lambda: len(outbox) == 0)
    assert store.received == [(outbox.boot, n) for n in range(1, 451)]


def test_what_waited_for_the_broker_goes_when_it_is_there(hub, outbox, bus, courier, wait_until):
    fill(outbox, 3)
    store = Store(hub)
    bus.start()
    wait_until(lambda: len(outbox) == 0)
    assert len(store.received) == 3


def test_what_is_not_acknowledged_stays_and_is_sent_again(hub, outbox, bus, courier, clock, wait_until):
    store = Store(hub)
    store.willing = False
    bus.start()
    fill(outbox, 2)
    wait_until(lambda: len(store.received) >= 2)
    assert len(outbox) == 2
    store.willing = True
    clock.sleep(1.0)
    wait_until(lambda: len(outbox) == 0)
    assert set(store.received) == {(outbox.boot, 1), (outbox.boot, 2)}


def test_a_reconnect_sends_again_what_was_not_acknowledged(hub, outbox, bus, courier, wait_until):
    store = Store(hub)
    store.willing = False
    bus.start()
    fill(outbox, 2)
    wait_until(lambda: len(store.received) >= 2)
    bus.stop()
    store.willing = True
    bus.start()
    wait_until(lambda: len(outbox) == 0)


@pytest.mark.exhaustive
def test_a_store_that_never_confirms_is_not_flooded(hub, outbox, bus, courier, wait_until):
    store = Store(hub)
    store.willing = False
    bus.start()
    fill(outbox, 5000)
    wait_until(lambda: len(store.received) >= 2000)
    assert len(store.received) <= 2400
    assert len(outbox) == 5000


def test_what_the_broker_has_yet_to_acknowledge_is_not_sent_behind_itself(hub, outbox, clock, wait_until):
    bus, store = SlowBus(hub), Store(hub)
    store.willing = False
    courier = Courier(outbox, bus, device=DEVICE, linger_s=0.0, resend_after_s=0.2, clock=clock)
    courier.start()
    bus.start()
    fill(outbox, 2)
    wait_until(lambda: len(store.received) == 2)

    clock.sleep(30.0)
    fill(outbox, 1)
    wait_until(lambda: (outbox.boot, 3) in store.received)
    assert [sequence for _, sequence in store.received] == [1, 2, 3]

    clock.sleep(120.0)
    outbox.append(RecordKind.INFERENCE, {"n": 4})
    wait_until(lambda: store.received.count((outbox.boot, 1)) == 2)
    courier.stop()


@pytest.mark.exhaustive
def test_no_more_is_handed_to_a_slow_link_than_memory_should_hold(hub, outbox, wait_until):
    bus, store = SlowBus(hub), Store(hub)
    store.willing = False
    for _ in range(40):
        outbox.append(RecordKind.INFERENCE, {"n": "x" * 200_000})
    courier = Courier(outbox, bus, device=DEVICE, linger_s=0.0)
    courier.start()
    bus.start()
    wait_until(lambda: bus.looked.is_set() or len(store.received) == 40)
    courier.stop()

    assert bus.on_way == 16 == len(store.received)


def test_the_outbox_is_tended_while_the_broker_is_away(outbox, courier, tmp_path, wait_until):
    before = (tmp_path / "outbox.sqlite").stat().st_size
    fill(outbox, 300)
    wait_until(lambda: (tmp_path / "outbox.sqlite").stat().st_size > before)
    assert len(outbox) == 300


def test_a_garbled_acknowledgement_changes_nothing(hub, outbox, bus, courier, wait_until):
    store = Store(hub)
    store.willing = False
    bus.start()
    fill(outbox, 2)
    wait_until(lambda: len(store.received) >= 2)
    store.bus.publish(topics.ack(DEVICE), b"{")
    store.bus.publish(topics.ack(DEVICE), b'{"schema": 1, "boot": "x", "ranges": [[1]]}')
    assert len(outbox) == 2
    store.acknowledge(Telemetry(DEVICE, outbox.boot, outbox.batch(after_id=0, max_records=9, max_bytes=999).records))
    assert len(outbox) == 0


def test_a_record_of_an_earlier_version_that_cannot_be_sent_does_not_hold_up_the_others(
    hub, outbox, bus, courier, tmp_path, wait_until
):
    store = Store(hub)
    fill(outbox, 3)
    with contextlib.closing(sqlite3.connect(tmp_path / "outbox.sqlite")) as database:
        database.execute("UPDATE inference SET body = ? WHERE id = 1", (r'{"run": "\ud800"}',))
        database.commit()
    bus.start()
    wait_until(lambda: len(outbox) == 0)
    assert [sequence for _, sequence in store.received] == [2, 3]
    assert outbox.dropped[RecordKind.INFERENCE] == 1


def test_presence_is_told_after_every_connect_and_at_the_end(hub, bus):
    topic = topics.availability(DEVICE)
    presence = Presence(bus, device=DEVICE)
    presence.start()
    bus.start()
    assert hub.retained[topic] == b"online"
    bus.vanish()
    assert hub.retained[topic] == b"offline"
    bus.start()
    assert hub.retained[topic] == b"online"
    presence.stop()
    assert hub.retained[topic] == b"stopped"


def test_a_device_that_stopped_is_not_online_again_with_a_late_connect(hub, bus):
    presence = Presence(bus, device=DEVICE)
    presence.start()
    bus.start()
    presence.stop()
    bus.vanish()
    bus.start()
    assert hub.retained[topics.availability(DEVICE)] == b"stopped"
