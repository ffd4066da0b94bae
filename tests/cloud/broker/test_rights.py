"""What each user of the shipped broker may publish and subscribe to, asked of Mosquitto itself, topic by topic."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from cloud.broker.control import COMMANDS, RESPONSES
from cloud.broker.dynamic_security import DynamicSecurity
from protocol import topics
from protocol.mqtt.address import BrokerAddress

pytestmark = pytest.mark.mosquitto

PATIENCE_S = 30.0
DEVICES = ("pi-1", "pi-2")
OWN = {
    "availability": topics.availability,
    "state": topics.state,
    "telemetry": topics.telemetry,
    "ack": topics.ack,
    "desired": lambda device: topics.desired(device, "digits"),
    "reported": lambda device: topics.reported(device, "digits"),
    "job": topics.job,
    "job reported": topics.job_reported,
    "discovery": lambda device: f"homeassistant/device/{device}/config",
}
FOR_ALL = ("homeassistant/status", COMMANDS, RESPONSES, "$SYS/broker/version", "dynasplit/v1/else", "anything")
EVERY_TOPIC = [topic(device) for device in DEVICES for topic in OWN.values()] + list(FOR_ALL)

WRITES = {
    "device-pi-1": {
        OWN[name]("pi-1") for name in ("availability", "state", "telemetry", "reported", "job reported", "discovery")
    },
    "backend": {
        OWN[name](device) for name in ("desired", "job", "availability", "state", "reported") for device in DEVICES
    }
    | {COMMANDS},
    "ingest": {OWN[name](device) for name in ("ack", "desired", "job") for device in DEVICES},
}
READS = {
    "device-pi-1": {OWN[name]("pi-1") for name in ("ack", "desired", "job")} | {"homeassistant/status"},
    "backend": {RESPONSES},
    "ingest": {
        OWN[name](device) for name in ("telemetry", "availability", "reported", "job reported") for device in DEVICES
    },
}
WILDCARDS = (
    "#",
    "+/#",
    "dynasplit/#",
    "dynasplit/v1/#",
    "dynasplit/v1/+/ack",
    "dynasplit/v1/+/telemetry",
    "$SYS/#",
    "$CONTROL/#",
)
ALLOWED_WILDCARDS = {"ingest": {"dynasplit/v1/+/telemetry"}}


class Asking:
    """A client of MQTT 5, whose broker answers each publish and subscription with whether it is allowed."""

    def __init__(self, port: int, user: str) -> None:
        self._answers: queue.Queue[tuple[int, list[ReasonCode]]] = queue.Queue()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"asking-{user}", protocol=paho.MQTTv5)
        self._client.username_pw_set(user, f"{user}-secret")
        self._client.on_publish = lambda _client, _data, number, reason, _more: self._answers.put((number, [reason]))
        self._client.on_subscribe = lambda _client, _data, number, reasons, _more: self._answers.put((number, reasons))
        self._client.reconnect_delay_set(min_delay=0)  # the broker hangs up on who writes what it may not
        connected = threading.Event()
        self._client.on_connect = lambda *_more: connected.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert connected.wait(PATIENCE_S)

    def may_write(self, topic: str) -> bool:
        return self._allowed(self._client.publish(topic, b"x", qos=1).mid)

    def may_read(self, pattern: str) -> bool:
        return self._allowed(self._client.subscribe(pattern, qos=1)[1])

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _allowed(self, number: int | None) -> bool:
        answered, reasons = self._answers.get(timeout=PATIENCE_S)
        assert answered == number
        return not any(reason.is_failure for reason in reasons)


@pytest.fixture(params=["device-pi-1", "backend", "ingest"])
def user(request) -> str:
    return str(request.param)


@pytest.fixture
def asking(shipped_broker, user) -> Iterator[Asking]:
    accounts = DynamicSecurity(BrokerAddress.parse(shipped_broker.url("backend")))
    for device in DEVICES:
        accounts.add(device, f"device-{device}-secret")
    client = Asking(shipped_broker.port, user)
    yield client
    client.close()


def test_a_user_writes_its_topics_and_no_other(asking, user):
    assert {topic for topic in EVERY_TOPIC if asking.may_write(topic)} == WRITES[user]


def test_a_user_reads_its_topics_and_no_other(asking, user):
    assert {topic for topic in EVERY_TOPIC if asking.may_read(topic)} == READS[user]


def test_wildcards_open_nothing_more(asking, user):
    assert {pattern for pattern in WILDCARDS if asking.may_read(pattern)} == ALLOWED_WILDCARDS.get(user, set())
