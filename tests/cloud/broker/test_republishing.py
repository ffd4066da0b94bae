"""What a broker lost is said again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloud.broker.publishing import BusPublisher, MqttPublisher
from cloud.broker.republishing import Republishing
from cloud.jobs.publishing import LateLists, publish_jobs
from cloud.rollouts.driving import Driver
from cloud.store.memory import MemoryStore
from cloud.store.sql import SqlStore
from cloud.tables.publishing import publish_desired
from protocol import topics
from protocol.bus import InMemoryBus, InMemoryHub
from protocol.errors import ServiceMissing
from protocol.jobs import Job, JobKind
from protocol.mqtt.address import BrokerAddress
from protocol.mqtt.bus import MqttBus
from tools.stack import free_port

PATIENCE_S = 30.0


class Frozen(MemoryStore):
    """Is away once."""

    asked = 0

    def note_desired_lost(self) -> None:
        self.asked += 1
        if self.asked == 1:
            raise ServiceMissing("no answer")
        super().note_desired_lost()


def wait_until(condition: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(int(PATIENCE_S / 0.02)):
        if condition():
            return
        tick.wait(0.02)
    raise AssertionError("the condition did not come true in time")


def restarted(hub: InMemoryHub, bus: InMemoryBus) -> None:
    """The broker has nothing any more, and the connection to it is a new one."""
    bus.stop()
    hub.retained.clear()
    bus.start()


def test_tables_jobs_and_what_was_withdrawn_are_said_to_a_broker_that_forgot(make_signed):
    hub, store = InMemoryHub(), MemoryStore()
    bus = InMemoryBus(hub)
    publisher, republishing = BusPublisher(bus), Republishing(store, bus)
    driver, lists = Driver(store, publisher), LateLists(store, publisher, every_s=0.0)
    bus.start()
    for device in ("pi-1", "pi-2"):
        store.add_device(device, token_sha256=device[-1] * 64)
        store.set_desired(make_signed(1, device=device))
        store.add_job(device, Job("a", JobKind.RESTART), at=0.0)
    driver.look()
    lists.look()
    told = dict(hub.retained)
    store.remove_device("pi-2", at=9.0)
    driver.look()
    lists.look()

    restarted(hub, bus)
    hub.retained[topics.desired("pi-2", "digits")] = told[topics.desired("pi-2", "digits")]
    for look in (republishing.look, driver.look, lists.look):
        look()

    mine = (topics.desired("pi-1", "digits"), topics.job("pi-1"))
    assert {topic: hub.retained.get(topic) for topic in mine} == {topic: told[topic] for topic in mine}
    assert topics.desired("pi-2", "digits") not in hub.retained


def test_a_store_that_is_away_is_told_later_and_each_connection_once():
    bus, store = InMemoryBus(InMemoryHub()), Frozen()
    republishing = Republishing(store, bus)
    republishing.look()
    assert store.asked == 0
    bus.start()

    with pytest.raises(ServiceMissing):
        republishing.look()
    republishing.look()
    republishing.look()

    assert store.asked == 2


@pytest.fixture
def broker(tmp_path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Its URL, and what kills it and starts another one there, which knows nothing."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if not program:
        pytest.skip("no Mosquitto here: apt-get install mosquitto")
    port, log, running = free_port(), tmp_path / "mosquitto.log", []
    (tmp_path / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")

    def start() -> None:
        with log.open("wb") as file:
            running.append(subprocess.Popen([program, "-c", str(tmp_path / "mosquitto.conf")], stderr=file))
        wait_until(lambda: "running" in log.read_text())

    def kill() -> None:
        running[-1].kill()
        running[-1].wait()

    def begin_anew() -> None:
        kill()
        start()

    start()
    yield f"mqtt://127.0.0.1:{port}", begin_anew
    kill()


@pytest.fixture
def ingest(broker, tmp_path) -> Iterator[Path]:
    """Its data directory."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DYNASPLIT_", "DATABASE_URL"))}
    settings = {"DYNASPLIT_BROKER_URL": broker[0], "DYNASPLIT_DATA_DIR": str(tmp_path / "data")}
    log = tmp_path / "ingest.log"
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-m", "cloud.ingest"], env=clean | settings, stderr=file)
    wait_until(lambda: log.read_text().count("connected to broker") == 2)
    yield tmp_path / "data"
    process.terminate()
    process.wait(PATIENCE_S)


@pytest.mark.mosquitto
@pytest.mark.system
def test_a_device_that_was_off_gets_its_table_and_jobs_though_the_broker_was_killed_meanwhile(
    broker, ingest, make_signed
):
    url, begin_anew = broker
    store = SqlStore(f"sqlite:///{ingest / 'dynasplit.sqlite'}")
    publisher = MqttPublisher(BrokerAddress.parse(url))
    signed = make_signed(3, device="pi-1")
    store.add_device("pi-1", token_sha256="1" * 64)
    store.set_desired(signed)
    publish_desired(store, publisher, device="pi-1", network="digits")
    store.add_job("pi-1", Job("a", JobKind.RESTART), at=0.0)
    publish_jobs(store, publisher, device="pi-1")

    begin_anew()
    heard: dict[str, bytes] = {}
    device = MqttBus(BrokerAddress.parse(url), client_id="pi-1")
    for topic in (topics.desired("pi-1", "+"), topics.job("pi-1")):
        device.subscribe(topic, heard.__setitem__)
    device.start()
    wait_until(lambda: len(heard) == 2)

    assert json.loads(heard[topics.desired("pi-1", "digits")]) == signed.to_json()
    assert heard[topics.job("pi-1")] == store.unfinished_jobs("pi-1").jobs.to_bytes()
    device.stop()
    store.close()
