"""Two ingest processes on a real broker: one is killed under load, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloud.store.records.port import Selection
from cloud.store.sql import SqlStore
from protocol import topics
from protocol.messages import Ack, Record, RecordKind, Telemetry
from protocol.mqtt.address import BrokerAddress
from protocol.mqtt.bus import MqttBus
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
