"""Publishing what devices shall know: the port, those on MQTT, and the one in memory."""

from __future__ import annotations

import uuid
from typing import Protocol

from protocol.bus import Bus
from protocol.errors import ServiceMissing
from protocol.mqtt.address import BrokerAddress
from protocol.mqtt.calls import publish_once

_PATIENCE_S = 5.0
"""How long a broker may take to acknowledge."""


class Publisher(Protocol):
    """Publishes retained messages. Thread-safe."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Returns once the broker has the message, of which an empty one clears the topic; ServiceMissing when none takes it
        within seconds."""
        ...


class MqttPublisher:
    """Connects for each message: tables are pushed seldom, and the backend's worker processes stay stateless."""

    def __init__(self, address: BrokerAddress) -> None:
        self._address = address

    def publish(self, topic: str, payload: bytes) -> None:
        # A client id of its own each time: a broker throws out the older of two clients with one name.
        client_id = f"dynasplit-backend-{uuid.uuid4().hex[:12]}"
        publish_once(self._address, client_id=client_id, topic=topic, payload=payload)


class NoBroker:
    """Stands in where no broker is set: it refuses."""

    def publish(self, topic: str, payload: bytes) -> None:
        raise ServiceMissing(
            f"{topic} ({len(payload)} bytes) cannot be published: no broker is set; set DYNASPLIT_BROKER_URL"
        )


class BusPublisher:
    """Publishes by a bus that stands, as ingest has one. Not from the bus's own thread."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def publish(self, topic: str, payload: bytes) -> None:
        if not self._bus.publish(topic, payload, retain=True, patience_s=_PATIENCE_S):
            raise ServiceMissing(f"{topic} cannot be published: the broker is not connected, or acknowledges nothing")


class MemoryPublisher:
    """Keeps what a broker would retain, and each message in its order; while `away` it refuses."""

    def __init__(self) -> None:
        self.retained: dict[str, bytes] = {}
        self.published: list[tuple[str, bytes]] = []
        self.away = False

    def publish(self, topic: str, payload: bytes) -> None:
        if self.away:
            raise ServiceMissing(f"{topic} cannot be published: the broker is away")
        if payload:
            self.retained[topic] = payload
        else:
            self.retained.pop(topic, None)
        self.published.append((topic, payload))
