"""Several processes on one broker and one SQLite file: some are killed under load, nothing is lost, and a rollout goes on."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cloud.rollouts.starting import start as start_rollout
from cloud.store.records.port import Selection
from cloud.store.rollouts.values import Plan, RolloutState
from cloud.store.sql import SqlStore
from protocol import topics
from protocol.messages import Ack, Record, RecordKind, TableReport, TableState, Telemetry
from protocol.mqtt.address import BrokerAddress
from protocol.mqtt.bus import MqttBus
from protocol.presence import Availability
from protocol.signing import SignedTable
from tools.stack import free_port

pytestmark = [pytest.mark.mosquitto, pytest.mark.system]

PATIENCE_S = 60.0
BATCHES = 200
BATCH = 20


def wait_until(condition: Callable[[], bool], *, tick_s: float = 0.02) -> None:
    tick = threading.Event()
    for _ in range(int(PATIENCE_S / tick_s)):
        if condition():
            return
        tick.wait(tick_s)
    raise AssertionError("the condition did not come true in time")


@pytest.fixture
def broker(tmp_path) -> Iterator[str]:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if not program:
        pytest.skip("no Mosquitto here: apt-get install mosquitto")
    port, log = free_port(), tmp_path / "mosquitto.log"
    (tmp_path / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
    )
    with log.open("wb") as file:
        process = subprocess.Popen([program, "-c", str(tmp_path / "mosquitto.conf")], stderr=file)
    wait_until(lambda: "running" in log.read_text())
    yield f"mqtt://127.0.0.1:{port}"
    process.kill()
    process.wait()


@pytest.fixture
def start(broker, tmp_path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def starting(name: str) -> subprocess.Popen[bytes]:
        settings = {"DYNASPLIT_BROKER_URL": broker, "DYNASPLIT_DATA_DIR": str(tmp_path / "data")}
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("DYNASPLIT_", "DATABASE_URL"))}
        with log_of(tmp_path, name).open("wb") as file:
            process = subprocess.Popen([sys.executable, "-m", "cloud.ingest"], env=clean | settings, stderr=file)
        started.append(process)
        wait_until(lambda: "connected to broker" in log_of(tmp_path, name).read_text())
        return process

    yield starting
    for process in started:
        process.terminate()
        process.wait(PATIENCE_S)


@pytest.fixture
def backend_port(tmp_path) -> Iterator[int]:
    """Of a backend with two worker processes, on the same file as ingest."""
    port, log = free_port(), log_of(tmp_path, "backend")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("DYNASPLIT_", "DATABASE_URL"))}
    settings = {"DATA_DIR": str(tmp_path / "data"), "OPERATOR_TOKEN": "secret-of-the-operator", "NODE_BUSY_WATTS": "40"}
    command = ["-c", "python:cloud.gunicorn_conf", "--workers", "2", "--bind", f"127.0.0.1:{port}"]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *command],
            env=clean | {f"DYNASPLIT_{name}": value for name, value in settings.items()},
            stderr=file,
        )
    wait_until(lambda: log.read_text().count("Booting worker") == 2 and register(port, "first") == 201)
    yield port
    process.terminate()
    process.wait(PATIENCE_S)


def register(port: int, device: str) -> int:
    """The status; 0 where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        body = json.dumps({"id": device})
        connection.request(
            "POST", "/api/v1/devices", body=body, headers={"Authorization": "Bearer secret-of-the-operator"}
        )
        return connection.getresponse().status
    except ConnectionRefusedError:
        return 0
    finally:
        connection.close()


def log_of(folder: Path, name: str) -> Path:
    return folder / f"{name}.log"


class Sender:
    """A device that sends again what nobody acknowledged, as the agent does."""

    def __init__(self, bus: MqttBus, body: dict[str, object]) -> None:
        self._bus = bus
        self._body = body
        self._acknowledged: set[int] = set()
        bus.subscribe(topics.ack("pi-1"), self._hear)

    def _hear(self, _topic: str, payload: bytes) -> None:
        for first, last in Ack.from_bytes(payload).ranges:
            self._acknowledged.update(range(first, last + 1))

    @property
    def acknowledged(self) -> int:
        return len(self._acknowledged)

    def send_what_waits(self) -> None:
        for first in range(0, BATCHES * BATCH, BATCH):
            if first not in self._acknowledged:
                numbers = range(first, first + BATCH)
                records = tuple(Record(number, RecordKind.INFERENCE, self._body) for number in numbers)
                self._bus.publish(topics.telemetry("pi-1"), Telemetry("pi-1", "boot-1", records).to_bytes())


def test_one_of_two_that_is_killed_under_load_loses_nothing(broker, start, tmp_path, inference):
    victim, _ = start("victim"), start("survivor")
    bus = MqttBus(BrokerAddress.parse(broker), client_id="pi-1")
    sender = Sender(bus, inference.to_json())
    bus.start()
    wait_until(lambda: bus.connected)

    sender.send_what_waits()
    wait_until(lambda: sender.acknowledged > BATCH, tick_s=0.001)
    victim.kill()
    victim.wait()
    wait_until(lambda: sender.send_what_waits() or sender.acknowledged == BATCHES * BATCH, tick_s=1.0)
    bus.stop()

    assert "shared with other ingest processes" in log_of(tmp_path, "survivor").read_text()
    store = SqlStore(f"sqlite:///{tmp_path}/data/dynasplit.sqlite")
    kept = [record.sequence for record in store.inferences(Selection())]
    store.close()
    assert sorted(kept) == list(range(BATCHES * BATCH))


class Applying:
    """A device that applies each table that it gets."""

    def __init__(self, broker: str, name: str) -> None:
        self.applied: list[int] = []
        self._name = name
        self.bus = MqttBus(BrokerAddress.parse(broker), client_id=f"{name}-tables")
        self.bus.subscribe(topics.desired(name, "+"), self._take)
        self.bus.start()
        wait_until(lambda: self.bus.publish(topics.availability(name), Availability.ONLINE.to_bytes(), retain=True))

    def _take(self, _topic: str, payload: bytes) -> None:
        table = SignedTable.from_json(json.loads(payload)).table
        self.applied.append(table.version)
        report = TableReport("digits", table.digest, table.version, TableState.APPLIED)
        # An answer waits for no acknowledgement: this is the bus's own thread.
        self.bus.publish(topics.reported(self._name, "digits"), report.to_bytes(), retain=True)


def test_two_of_three_that_are_killed_in_the_middle_of_a_rollout_hold_up_nothing(
    broker, start, tmp_path, inference, make_signed
):
    names = [f"pi-{number}" for number in range(1, 9)]
    killed = [start("one"), start("two")]
    start("three")
    store = SqlStore(f"sqlite:///{tmp_path}/data/dynasplit.sqlite")
    for number, name in enumerate(names):
        store.add_device(name, token_sha256=str(number) * 64)
    store.add_bundle(make_signed().table.bundle, network="digits")
    devices = [Applying(broker, name) for name in names]
    bus = MqttBus(BrokerAddress.parse(broker), client_id="pi-1")
    sender = Sender(bus, inference.to_json())
    bus.start()
    wait_until(lambda: bus.connected)
    plan = Plan(canary_share=0.2, growth=1.0, soak_s=0.5)
    rollout = start_rollout(store, "digits", [make_signed(1, device=name) for name in names], plan, at=time.time())

    sender.send_what_waits()
    wait_until(lambda: sender.acknowledged > BATCH and any(device.applied for device in devices), tick_s=0.001)
    assert not store.rollout(rollout.id).state.final
    for process in killed:
        process.kill()
        process.wait()
    wait_until(lambda: sender.send_what_waits() or sender.acknowledged == BATCHES * BATCH, tick_s=1.0)
    wait_until(lambda: store.rollout(rollout.id).state.final)

    ended = store.rollout(rollout.id)
    assert (ended.state, ended.counts()) == (RolloutState.DONE, {"applied": len(names)})
    assert [set(device.applied) for device in devices] == [{1}] * len(names)
    assert sorted(record.sequence for record in store.inferences(Selection())) == list(range(BATCHES * BATCH))
    for each in (bus, *(device.bus for device in devices)):
        each.stop()
    store.close()


def test_two_workers_and_ingest_write_one_file_and_nobody_is_told_that_it_is_locked(
    broker, start, backend_port, tmp_path, inference
):
    start("ingest")
    bus = MqttBus(BrokerAddress.parse(broker), client_id="pi-1")
    sender = Sender(bus, inference.to_json())
    bus.start()
    wait_until(lambda: bus.connected)
    names = [f"device-{number}" for number in range(200)]

    sender.send_what_waits()
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda name: register(backend_port, name), names))
    wait_until(lambda: sender.send_what_waits() or sender.acknowledged == BATCHES * BATCH, tick_s=1.0)
    bus.stop()

    assert statuses == [201] * len(names)
    store = SqlStore(f"sqlite:///{tmp_path}/data/dynasplit.sqlite")
    assert {device.name for device in store.devices() if device.registered} == {"first", *names}
    assert sorted(record.sequence for record in store.inferences(Selection())) == list(range(BATCHES * BATCH))
    store.close()
    assert [log for log in tmp_path.glob("*.log") if "locked" in log.read_text()] == []
