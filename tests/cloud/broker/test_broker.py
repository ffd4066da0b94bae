"""The cloud on Mosquitto with the settings that it ships: rights of devices, ingest, published tables."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloud.broker.dynamic_security import DynamicSecurity
from cloud.broker.initial import USERS
from cloud.broker.publishing import MqttPublisher
from cloud.store.records.port import Selection
from cloud.store.sql import SqlStore
from protocol import topics
from protocol.messages import Ack, Record, RecordKind, Telemetry
from protocol.mqtt.address import BrokerAddress
from protocol.mqtt.bus import MqttBus

pytestmark = pytest.mark.mosquitto

PATIENCE_S = 30.0


def wait_until(condition: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(int(PATIENCE_S / 0.01)):
        if condition():
            return
        tick.wait(0.01)
    raise AssertionError("the condition did not come true in time")


@contextlib.contextmanager
def process(command: list[str], log: Path, **variables: str) -> Iterator[None]:
    with log.open("w") as file:
        started = subprocess.Popen(command, stdout=file, stderr=file, env=os.environ | variables)
    try:
        yield
    finally:
        started.terminate()
        started.wait(PATIENCE_S)


@pytest.fixture
def broker(shipped_broker) -> Callable[[str], str]:
    """The URL for a user, cloud's or device's, of a broker that has made the devices' accounts."""
    accounts = DynamicSecurity(BrokerAddress.parse(shipped_broker.url("backend")))
    for device in ("pi-1", "pi-2"):
        accounts.add(device, f"device-{device}-secret")
    return lambda user: shipped_broker.url(user if user in (*USERS, "watcher") else f"device-{user}")


@pytest.fixture
def connect(broker) -> Iterator[Callable[[str], MqttBus]]:
    buses = []

    def connecting(user: str) -> MqttBus:
        bus = MqttBus(BrokerAddress.parse(broker(user)), client_id=f"test-{user}-{len(buses)}")
        buses.append(bus)
        bus.start()
        wait_until(lambda: bus.connected)
        return bus

    yield connecting
    for bus in buses:
        bus.stop()


def heard_on(bus: MqttBus, pattern: str) -> list[tuple[str, bytes]]:
    heard: list[tuple[str, bytes]] = []
    bus.subscribe(pattern, lambda topic, payload: heard.append((topic, payload)))
    return heard


def batch(device: str, sequences, body) -> bytes:
    return Telemetry(
        device, "boot", tuple(Record(number, RecordKind.INFERENCE, body) for number in sequences)
    ).to_bytes()


def test_ingest_keeps_and_acknowledges_what_a_device_sends(broker, connect, tmp_path, inference):
    url = f"sqlite:///{tmp_path}/store.sqlite"
    device = connect("pi-1")
    acks = heard_on(device, topics.ack("pi-1"))
    variables = {"DYNASPLIT_BROKER_URL": broker("ingest"), "DYNASPLIT_DATABASE_URL": url}
    with process([sys.executable, "-m", "cloud.ingest"], tmp_path / "ingest.log", **variables):
        wait_until(lambda: "connected to broker" in (tmp_path / "ingest.log").read_text())

        def sent_and_acknowledged() -> bool:
            device.publish(topics.telemetry("pi-1"), batch("pi-1", range(50), inference.to_json()))
            return bool(acks)

        wait_until(sent_and_acknowledged)
    store = SqlStore(url)

    assert Ack.from_bytes(acks[0][1]) == Ack("boot", ((0, 49),))
    assert len(list(store.inferences(Selection(device="pi-1")))) == 50
    store.close()


def test_a_device_reaches_its_own_topics_only(connect):
    heard = heard_on(connect("watcher"), "dynasplit/v1/#")
    pi_1, pi_2 = connect("pi-1"), connect("pi-2")
    overheard = heard_on(pi_2, "dynasplit/v1/#")
    pi_2_acks = heard_on(pi_2, topics.ack("pi-2"))

    for topic in (topics.telemetry("pi-2"), topics.ack("pi-1"), topics.desired("pi-1", "digits")):
        pi_1.publish(topic, b"from pi-1")
    # Mosquitto may throw out who publishes what is denied, and what was on its way then is lost.
    wait_until(lambda: pi_1.publish(topics.telemetry("pi-1"), b"from pi-1") and bool(heard))
    cloud = connect("ingest")
    wait_until(lambda: cloud.publish(topics.ack("pi-2"), b"from the cloud") and bool(pi_2_acks))

    assert {topic for topic, payload in heard if payload == b"from pi-1"} == {topics.telemetry("pi-1")}
    assert {topic for topic, _ in overheard} <= {topics.ack("pi-2")}


def test_a_device_may_write_and_read_all_that_is_its_own(shipped_broker, connect):
    shown = heard_on(connect("watcher"), "dynasplit/v1/#")
    cloud, device = connect("watcher"), connect("pi-1")
    heard = [heard_on(device, topic) for topic in topics.read_by("pi-1")]
    written = {topic.replace("+", "digits") for topic in topics.written_by("pi-1") if topic.startswith(topics.ROOT)}

    def all_arrived() -> bool:
        """Said again until it is heard: a subscription takes a moment to stand."""
        for topic in written:
            device.publish(topic, b"x")
        for topic in topics.read_by("pi-1")[:-1]:
            cloud.publish(topic.replace("+", "digits"), b"y")
        return written <= {topic for topic, _ in shown} and all(heard[:-1])

    wait_until(all_arrived)


def test_home_assistant_finds_the_devices(shipped_broker, connect):
    backend = ["-h", "127.0.0.1", "-p", str(shipped_broker.port), "-u", "backend", "-P", "backend-secret", "dynsec"]
    control = shutil.which("mosquitto_ctrl")
    assert control
    subprocess.run([control, *backend, "createClient", "home", "-p", "home-secret"], check=True)
    subprocess.run([control, *backend, "addClientRole", "home", "home-assistant"], check=True)
    home = MqttBus(BrokerAddress.parse(shipped_broker.url("home")), client_id="home")
    device = connect("pi-1")
    found, greeted = heard_on(home, "homeassistant/device/+/config"), heard_on(device, "homeassistant/status")
    home.start()
    wait_until(lambda: home.connected)

    def met() -> bool:
        home.publish("homeassistant/status", b"online")
        device.publish("homeassistant/device/pi-1/config", b"{}")
        return bool(found and greeted)

    wait_until(met)
    home.stop()


def test_a_published_table_waits_for_its_device(broker, connect):
    topic = topics.desired("pi-1", "digits")
    MqttPublisher(BrokerAddress.parse(broker("backend"))).publish(topic, b"a table")

    desired = heard_on(connect("pi-1"), topics.desired("pi-1", "+"))

    wait_until(lambda: desired == [(topic, b"a table")])
