"""Single calls to a broker: connect, do one thing, and go. MQTT 5 is spoken to ask what a broker can do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from protocol.errors import ServiceMissing
from protocol.mqtt.address import BrokerAddress
from protocol.mqtt.client import KEEPALIVE_S, QOS, new_client, why_not


def publish_once(address: BrokerAddress, *, client_id: str, topic: str, payload: bytes, timeout_s: float = 5.0) -> None:
    """Connects, publishes one retained message, waits for the broker's acknowledgement and disconnects.

    For processes that publish seldom. Raises ServiceMissing when the broker does not acknowledge within `timeout_s`.
    """
    with _connected(address, client_id=client_id, timeout_s=timeout_s) as client:
        info = client.publish(topic, payload, qos=QOS, retain=True)
        info.wait_for_publish(timeout_s)
        if not info.is_published():
            raise ServiceMissing(f"broker {address} did not acknowledge the message within {timeout_s:g} s")


def offers_sharing(address: BrokerAddress, *, client_id: str, timeout_s: float = 2.0) -> bool:
    """Whether the broker divides messages among the clients of a group; ServiceMissing when it is away or lets nobody in so.

    Only MQTT 5 lets a client ask (section 3.2.2.3.13): a broker that answers 3.1.1 alone has no groups. One that has them, as
    Mosquitto, gives them to clients of 3.1.1 as well.
    """
    client = new_client(address, client_id, None, version=MQTTProtocolVersion.MQTTv5)
    answered = threading.Event()
    offers: list[bool] = []

    def answer(_client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, properties: Any) -> None:
        if not reason.is_failure:
            offers.append(bool(getattr(properties, "SharedSubscriptionAvailable", 1)))
        answered.set()

    client.on_connect = answer
    client.on_disconnect = lambda *_: answered.set()
    with _looping(client, address):
        answered.wait(timeout_s)
    if not offers:
        check_login(address, client_id=client_id)
    return any(offers)


def check_login(address: BrokerAddress, *, client_id: str, timeout_s: float = 5.0) -> None:
    """Connects and disconnects; ServiceMissing when the broker is away, not to be trusted, or lets nobody in so."""
    with _connected(address, client_id=client_id, timeout_s=timeout_s):
        pass


@contextmanager
def _connected(address: BrokerAddress, *, client_id: str, timeout_s: float) -> Iterator[paho.Client]:
    """A client that the broker has let in."""
    client = new_client(address, client_id, None)
    answered = threading.Event()
    refusals: list[str] = []

    def answer(_client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _props: Any) -> None:
        if reason.is_failure:
            refusals.append(str(reason))
        answered.set()

    client.on_connect = answer
    with _looping(client, address):
        if not answered.wait(timeout_s):
            raise ServiceMissing(f"broker {address} did not accept the connection within {timeout_s:g} s")
        if refusals:
            raise ServiceMissing(f"broker {address} refused the connection: {refusals[0]}; check user and password")
        yield client


@contextmanager
def _looping(client: paho.Client, address: BrokerAddress) -> Iterator[None]:
    """Its thread runs; ServiceMissing when nobody listens, or nobody to be trusted."""
    try:
        client.connect(address.host, address.port, keepalive=KEEPALIVE_S)
    except OSError as error:
        raise ServiceMissing(f"broker {address} {why_not(error)}") from error
    client.loop_start()
    try:
        yield
    finally:
        client.disconnect()
        client.loop_stop()
