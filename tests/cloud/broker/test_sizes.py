"""How large a message the shipped broker takes: any table passes, what nothing of the project sends does not."""

from __future__ import annotations

import queue

import pytest

from cloud.api.requests import MOST_JSON_BYTES
from cloud.broker.publishing import MqttPublisher
from protocol import topics
from protocol.mqtt.address import BrokerAddress
from protocol.mqtt.bus import MqttBus

pytestmark = pytest.mark.mosquitto

PATIENCE_S = 30.0


def test_any_table_passes_the_broker_and_nothing_much_larger(shipped_broker):
    heard: queue.Queue[bytes] = queue.Queue()
    watcher = MqttBus(BrokerAddress.parse(shipped_broker.url("watcher")), client_id="watcher")
    watcher.subscribe(topics.desired("+", "+"), lambda _topic, payload: heard.put(payload))
    backend = MqttPublisher(BrokerAddress.parse(shipped_broker.url("backend")))
    backend.publish(topics.desired("pi-1", "digits"), b"t" * (2 * MOST_JSON_BYTES))
    backend.publish(topics.desired("pi-1", "faces"), b"x" * (2 * MOST_JSON_BYTES + 1))
    backend.publish(topics.desired("pi-1", "plants"), b"t")

    watcher.start()

    assert sorted(len(heard.get(timeout=PATIENCE_S)) for _ in range(2)) == [1, 2 * MOST_JSON_BYTES]
    watcher.stop()
    assert heard.empty()
