"""The bus over MQTT 3.1.1: the one place that uses paho. MQTT 5 is spoken to ask what a broker can do."""

from __future__ import annotations

import logging
import ssl
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from protocol.bus import Handler, Will
from protocol.errors import InvalidInput, ServiceMissing
from protocol.steadiness import LASTS_S, Steadiness
from protocol.topics import matches

logger = logging.getLogger(__name__)

_QOS = 1
_SHARED = "$share/"
"""What a subscription begins with whose messages are divided among a group (MQTT 5, section 4.8.2)."""
_KEEPALIVE_S = 30
_RECONNECT_MAX_S = 10
_FEW = 32
"""Messages on their way, through which it is no work to look."""
_GOODBYE_S = 2.0
"""How long the end of a bus waits until the broker has what was published last."""


@dataclass(frozen=True)
class BrokerAddress:
    """Where the broker listens: `mqtt://[user:password@]host[:1883]`, or `mqtts://…[:8883]` with TLS.

    `ca_file`: a PEM file with the only authorities that are trusted; None: the system's.
    """

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    tls: bool = False
    ca_file: Path | None = None

    @classmethod
    def parse(cls, url: str, *, ca_file: Path | None = None) -> BrokerAddress:
        try:
            parts = urllib.parse.urlsplit(url)
            port = parts.port
            (parts.hostname or "").encode("idna")
        except ValueError as error:
            raise InvalidInput(f"broker URL {_without_password(url)!r}: {error}") from error
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise InvalidInput(
                f"broker URL {_without_password(url)!r} must look like mqtt://host:1883 or mqtts://host:8883"
            )
        tls = parts.scheme == "mqtts"
        unquote = urllib.parse.unquote
        return cls(
            host=parts.hostname,
            port=port or (8883 if tls else 1883),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            tls=tls,
            ca_file=ca_file,
        )

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


def _without_password(url: str) -> str:
    return url.rpartition("@")[2]


class MqttBus:
    """A `Bus` on a broker. Reconnects by itself; subscriptions and callbacks are renewed each time.

    Nothing that was published before a reconnect is sent after it: paho would keep all that was not acknowledged, and send it
    behind what is newer. Why it cannot connect is logged once, and again only when the reason changes or a connection stood in
    between. Where connections break soon after they began it tries less and less often, and says so once.
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        client_id: str,
        will: Will | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = address
        self._client_id = client_id
        self._steadiness = Steadiness(clock)
        self._handlers: list[tuple[str, Handler]] = []
        self._subscriptions: list[str] = []
        self._asked: dict[int, list[str]] = {}
        self._callbacks: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._gate = threading.Lock()
        self._stands = False
        self._refused = False
        self._complaint = ""
        self._on_way: list[paho.MQTTMessageInfo] = []
        self._looked_through_at = _FEW
        self._thread: threading.Thread | None = None
        self._client = _client(address, client_id, will)
        self._client.on_pre_connect = self._begin_anew
        self._client.on_connect = self._connected_now
        self._client.on_connect_fail = self._not_reached
        self._client.on_disconnect = self._disconnected
        self._client.on_message = self._received
        self._client.on_subscribe = self._answered
        self._set_delay()

    @property
    def connected(self) -> bool:
        return self._stands and self._client.is_connected()

    @property
    def backlog(self) -> int:
        with self._gate:
            self._forget_arrived()
            return len(self._on_way)

    @property
    def alive(self) -> bool:
        """False once its thread has ended: it hears and says nothing more then, whatever `connected` is."""
        return self._thread is None or self._thread.is_alive()

    def start(self) -> None:
        self._client.connect_async(self._address.host, self._address.port, keepalive=_KEEPALIVE_S)
        self._client.loop_start()

    def stop(self) -> None:
        """Messages wait in the client while others are on their way, and would be lost with it."""
        with self._gate:
            latest = self._on_way[-1:]
        if self.connected and latest:
            latest[0].wait_for_publish(_GOODBYE_S)
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, patience_s: float = 0.0) -> bool:
        with self._gate:
            if not self.connected:
                return False
            info = self._client.publish(topic, payload, qos=_QOS, retain=retain)
            if info.rc != paho.MQTT_ERR_SUCCESS:
                return False
            self._on_way.append(info)
            if len(self._on_way) >= self._looked_through_at:
                self._forget_arrived()
        if patience_s > 0:
            info.wait_for_publish(patience_s)
            return info.is_published()
        return True

    def _forget_arrived(self) -> None:
        """Looking only when twice as many are there keeps it cheap however many are on their way."""
        self._on_way = [info for info in self._on_way if not info.is_published()]
        self._looked_through_at = max(_FEW, 2 * len(self._on_way))

    def subscribe(self, pattern: str, handler: Handler, *, group: str = "") -> None:
        subscription = f"{_SHARED}{group}/{pattern}" if group else pattern
        with self._lock:
            self._handlers.append((pattern, handler))
            self._subscriptions.append(subscription)
        if self.connected:
            self._subscribe(self._client, [subscription])

    def _subscribe(self, client: paho.Client, subscriptions: list[str]) -> None:
        with self._lock:  # the answer is read with it, and may come before the number is known
            _, number = client.subscribe([(subscription, _QOS) for subscription in subscriptions])
            if number is not None:
                self._asked[number] = subscriptions

    def _answered(self, client: paho.Client, _data: Any, number: int, reasons: list[ReasonCode], _props: Any) -> None:
        """What the broker refuses to share is taken whole: twice is harmless, never is not."""
        with self._lock:
            asked = self._asked.pop(number, [])
        for subscription, reason in zip(asked, reasons, strict=False):
            if not reason.is_failure:
                continue
            logger.warning(
                "broker %s refuses the subscription to %s; has this user the right to it?", self._address, subscription
            )
            if subscription.startswith(_SHARED):
                self._subscribe(client, [subscription.split("/", 2)[2]])

    def on_connect(self, callback: Callable[[], None]) -> None:
        with self._lock:
            self._callbacks.append(callback)
        if self.connected:
            callback()

    def _begin_anew(self, client: paho.Client, _data: Any) -> None:
        """Before each attempt to connect. Behind the gate: who found the last connection standing has published by now."""
        self._thread = threading.current_thread()
        with self._gate:
            self._stands = False
            self._on_way = []
            client.drop_out_messages()

    def _connected_now(self, client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _props: Any) -> None:
        if reason.is_failure:
            self._refused = True
            self._complain(f"refused the connection: {reason}; check user and password")
            return
        self._steadiness.began()
        self._stands = True
        if not self._steadiness.hopeless:
            self._complaint = ""
            logger.info("connected to broker %s", self._address)
        with self._lock:
            subscriptions, callbacks = list(self._subscriptions), list(self._callbacks)
        if subscriptions:
            self._subscribe(client, subscriptions)
        for callback in callbacks:
            try:
                callback()
            except Exception:  # the outermost loop of the bus thread, which must outlive it and call the others
                logger.exception("a callback failed after a connect to broker %s", self._address)

    def _disconnected(self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _props: Any) -> None:
        """paho may hold its own locks while it calls this: it must take none, and leave its messages alone."""
        if reason.is_failure and self._stands:
            self._steadiness.broke()
            self._set_delay()
            self._bewail(reason)
        elif reason.is_failure and not self._refused:
            self._complain(
                f"took the connection and ended it before it let anybody in: {reason}; is it a broker that listens there, "
                "and should it be mqtts:// (TLS) or mqtt:// (none)? Trying again"
            )
        self._stands = self._refused = False

    def _set_delay(self) -> None:
        least_s = self._steadiness.delay_s
        self._client.reconnect_delay_set(min_delay=least_s, max_delay=max(least_s, _RECONNECT_MAX_S))

    def _bewail(self, reason: ReasonCode) -> None:
        if self._steadiness.hopeless:
            self._complain(
                f"breaks each connection soon: {reason}; does another client call itself {self._client_id} as well, and may this "
                f"user publish and subscribe? Trying less often; nothing more is said until one lasts {LASTS_S:g} s"
            )
        else:
            logger.warning("lost broker %s: %s; trying again", self._address, reason)

    def _not_reached(self, _client: paho.Client, _data: Any) -> None:
        """paho tells no reason, but calls this while it handles the error."""
        self._complain(f"{_why_not(sys.exception())}. Trying again")

    def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            self._complaint = complaint
            logger.warning("broker %s %s", self._address, complaint)

    def _received(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError as error:
            logger.warning("dropped a message: its topic is no text: %s", error)
            return
        with self._lock:
            handlers = [handler for pattern, handler in self._handlers if matches(pattern, topic)]
        for handler in handlers:
            try:
                handler(topic, bytes(message.payload))
            except Exception:  # the outermost loop of the bus thread, which must outlive any message
                logger.exception("dropped a message on %s", topic)


def publish_once(address: BrokerAddress, *, client_id: str, topic: str, payload: bytes, timeout_s: float = 5.0) -> None:
    """Connects, publishes one retained message, waits for the broker's acknowledgement and disconnects.

    For processes that publish seldom. Raises ServiceMissing when the broker does not acknowledge within `timeout_s`.
    """
    with _connected(address, client_id=client_id, timeout_s=timeout_s) as client:
        info = client.publish(topic, payload, qos=_QOS, retain=True)
        info.wait_for_publish(timeout_s)
        if not info.is_published():
            raise ServiceMissing(f"broker {address} did not acknowledge the message within {timeout_s:g} s")


def offers_sharing(address: BrokerAddress, *, client_id: str, timeout_s: float = 2.0) -> bool:
    """Whether the broker divides messages among the clients of a group; ServiceMissing when it cannot be reached.

    Only MQTT 5 lets a client ask (section 3.2.2.3.13): a broker that does not speak it, or does not answer, has no groups. One
    that has them, as Mosquitto, gives them to clients of 3.1.1 as well.
    """
    client = _client(address, client_id, None, version=MQTTProtocolVersion.MQTTv5)
    answered = threading.Event()
    offers = [False]

    def answer(_client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, properties: Any) -> None:
        offers[0] = not reason.is_failure and bool(getattr(properties, "SharedSubscriptionAvailable", 1))
        answered.set()

    client.on_connect = answer
    client.on_disconnect = lambda *_: answered.set()
    with _looping(client, address):
        answered.wait(timeout_s)
    return offers[0]


def check_login(address: BrokerAddress, *, client_id: str, timeout_s: float = 5.0) -> None:
    """Connects and disconnects; ServiceMissing when the broker is away, not to be trusted, or lets nobody in so."""
    with _connected(address, client_id=client_id, timeout_s=timeout_s):
        pass


@contextmanager
def _connected(address: BrokerAddress, *, client_id: str, timeout_s: float) -> Iterator[paho.Client]:
    """A client that the broker has let in."""
    client = _client(address, client_id, None)
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
        client.connect(address.host, address.port, keepalive=_KEEPALIVE_S)
    except OSError as error:
        raise ServiceMissing(f"broker {address} {_why_not(error)}") from error
    client.loop_start()
    try:
        yield
    finally:
        client.disconnect()
        client.loop_stop()


def _why_not(error: BaseException | None) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"is not trusted: {error.verify_message}; is it ca_file that signed its certificate, and for this name?"
    return f"cannot be reached: {error}; is it running?"


def _client(
    address: BrokerAddress,
    client_id: str,
    will: Will | None,
    *,
    version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311,
) -> paho.Client:
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=version)
    if address.username:
        client.username_pw_set(address.username, address.password)
    if address.tls:
        _trust(client, address.ca_file)
    if will:
        client.will_set(will.topic, will.payload, qos=_QOS, retain=True)
    return client


def _trust(client: paho.Client, ca_file: Path | None) -> None:
    try:
        client.tls_set(str(ca_file) if ca_file else None)
    except OSError as error:  # ssl.SSLError is one
        raise InvalidInput(f"ca_file {ca_file} holds no certificates in PEM: {error.strerror or error}") from error
