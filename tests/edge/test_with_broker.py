"""The agent as a process on the shipped broker, with no more rights than a device has: state, Home Assistant, jobs, goodbye."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cloud.broker.accounts import user_of
from cloud.broker.control import Control
from cloud.broker.dynamic_security import DynamicSecurity, rights
from edge.process import START_AGAIN
from protocol import topics
from protocol.jobs import Job, JobKind, JobList, JobReport, JobState
from protocol.mqtt.address import BrokerAddress
from protocol.mqtt.bus import MqttBus
from protocol.signing import generate_private_key, public_key_of
from protocol.state import DeviceState

pytestmark = [pytest.mark.mosquitto, pytest.mark.system]

DEVICE = "pi-1"
CONFIG = "homeassistant/device/pi-1/config"


class Listener:
    """What is published on the broker, the latest by topic."""

    def __init__(self, url: str, *patterns: str) -> None:
        self.latest: dict[str, bytes] = {}
        self.reports: list[JobReport] = []
        self.counts: dict[str, int] = {}
        self.bus = MqttBus(BrokerAddress.parse(url), client_id=f"listener-{id(self)}")
        for pattern in patterns:
            self.bus.subscribe(pattern, self._heard)
        ready = threading.Event()
        self.bus.on_connect(ready.set)
        self.bus.start()
        assert ready.wait(20)

    def _heard(self, topic: str, payload: bytes) -> None:
        self.latest[topic] = payload
        self.counts[topic] = self.counts.get(topic, 0) + 1
        if topic == topics.job_reported(DEVICE):
            self.reports.append(JobReport.from_bytes(payload))


@pytest.fixture
def house(shipped_broker):
    """Home Assistant's account, and the device's, beside the cloud's."""
    address = BrokerAddress.parse(shipped_broker.url("backend"))
    DynamicSecurity(address).add(DEVICE, "device-secret")
    role = {"rolename": "house", "acls": rights(["homeassistant/#"], ["homeassistant/#"])}
    user = {"username": "house", "password": "house-secret", "roles": [{"rolename": "house"}]}
    Control(address).tell([{"command": "createRole", **role}, {"command": "createClient", **user}], forgiven={})
    return shipped_broker


@pytest.fixture
def cloud(house):
    listener = Listener(house.url("watcher"), "dynasplit/v1/#")
    yield listener
    listener.bus.stop()


@pytest.fixture
def home(house):
    listener = Listener(house.url("house"), "homeassistant/#")
    yield listener
    listener.bus.stop()


@pytest.fixture
def agent(house, tmp_path):
    """Starts agents on one data folder, and a socket that hears what they tell their supervisor."""
    started: list[subprocess.Popen[bytes]] = []
    supervisor = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    supervisor.bind(str(tmp_path / "notify"))
    supervisor.settimeout(60)
    settings = {
        "device": DEVICE,
        "data_dir": str(tmp_path / "data"),
        "run_dir": str(tmp_path / "run"),
        "backend_url": "http://127.0.0.1:9",
        "device_token": "t",
        "broker_url": house.url(user_of(DEVICE), "device-secret"),
        "operator_token": "o",
        "operator_public_key": public_key_of(generate_private_key()),
        "port": 0,
    }

    def start(**change):
        config = Path(tmp_path / "edge.toml")
        config.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in {**settings, **change}.items()))
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
        process = subprocess.Popen([sys.executable, "-m", "edge", "--config", str(config)], env=environment)
        started.append(process)
        return process, supervisor

    yield start
    supervisor.close()
    for process in started:
        process.kill()
        process.wait()


def words(supervisor: socket.socket, wanted: bytes) -> bytes:
    """The first message with these words."""
    while wanted not in (message := supervisor.recv(4096)):
        pass
    return message


def test_a_device_tells_how_it_is_until_it_says_goodbye(agent, cloud, home, wait_until):
    process, supervisor = agent(home_assistant=True)
    assert b"STATUS=serves as pi-1" in words(supervisor, b"READY=1")
    assert words(supervisor, b"WATCHDOG=1")
    wait_until(lambda: topics.state(DEVICE) in cloud.latest and CONFIG in home.latest)
    assert DeviceState.from_bytes(cloud.latest[topics.state(DEVICE)]).power.watts
    assert cloud.latest[topics.availability(DEVICE)] == b"online"
    assert json.loads(home.latest[CONFIG])["state_topic"] == topics.state(DEVICE)

    home.bus.publish("homeassistant/status", b"online")
    wait_until(lambda: home.counts[CONFIG] >= 2)

    process.terminate()
    assert words(supervisor, b"STOPPING=1")
    assert process.wait(30) == 0
    wait_until(lambda: cloud.latest[topics.availability(DEVICE)] == b"stopped")


def test_who_knows_the_devices_name_does_not_end_its_connection(agent, cloud, house, wait_until):
    _, supervisor = agent()
    words(supervisor, b"READY=1")
    wait_until(lambda: cloud.latest.get(topics.availability(DEVICE)) == b"online")
    other = MqttBus(BrokerAddress.parse(house.url("house")), client_id=f"dynasplit-{DEVICE}")
    other.start()
    wait_until(lambda: other.connected)
    other.stop()

    cloud.bus.publish(f"{topics.ROOT}/mark", b"the will would have come before")
    wait_until(lambda: f"{topics.ROOT}/mark" in cloud.latest)

    assert cloud.latest[topics.availability(DEVICE)] == b"online"
    assert cloud.counts[topics.availability(DEVICE)] == 1


def test_a_device_that_vanishes_is_offline_not_stopped(agent, cloud, wait_until):
    process, supervisor = agent()
    words(supervisor, b"READY=1")
    wait_until(lambda: cloud.latest.get(topics.availability(DEVICE)) == b"online")
    process.kill()
    wait_until(lambda: cloud.latest[topics.availability(DEVICE)] == b"offline")


def test_a_restart_is_asked_for_and_has_succeeded_when_the_agent_is_back(agent, cloud, wait_until):
    process, supervisor = agent()
    words(supervisor, b"READY=1")
    jobs = JobList((Job("again", JobKind.RESTART),))
    cloud.bus.publish(topics.job(DEVICE), jobs.to_bytes(), retain=True)
    assert process.wait(30) == START_AGAIN
    assert JobState.SUCCEEDED not in [report.state for report in cloud.reports]

    process, supervisor = agent()
    wait_until(lambda: JobState.SUCCEEDED in [report.state for report in cloud.reports])
    words(supervisor, b"READY=1")
    assert process.poll() is None


def test_home_assistant_forgets_a_device_that_takes_itself_back(agent, cloud, home, wait_until):
    process, _supervisor = agent(home_assistant=True)
    wait_until(lambda: home.latest.get(CONFIG))
    process.terminate()
    process.wait(30)
    agent(home_assistant=False)
    wait_until(lambda: home.latest[CONFIG] == b"")
