"""The bus over MQTT 3.1.1."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.reasoncodes import ReasonCode

from protocol.bus import Handler, Will
from protocol.mqtt.address import BrokerAddress
from protocol.mqtt.client import KEEPALIVE_S, QOS, new_client, why_not
from protocol.steadiness import LASTS_S, Steadiness
from protocol.topics import matches

logger = logging.getLogger(__name__)

_SHARED = "$share/"
"""What a subscription begins with whose messages are divided among a group (MQTT 5, section 4.8.2)."""
_RECONNECT_MAX_S = 10
_FEW = 32
"""Messages on their way, through which it is no work to look."""
_GOODBYE_S = 2.0
"""How long the end of a bus waits until the broker has what was published last."""


class MqttBus:
    """A `Bus` on a broker. Reconnects by itself; subscriptions and callbacks are renewed each time.

    Nothing that was published before a reconnect is sent after it: paho would keep all that was not acknowledged, and send it
    behind what is newer. Why it cannot connect is logged once, and again only when the reason changes or a connection stood in
    between. Where connections break soon after they began it tries less and less often, and says so once. With a `purpose` its
    lines tell that beside the broker.
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        client_id: str,
        will: Will | None = None,
        purpose: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = address
        self._broker = f"{address} ({purpose})" if purpose else str(address)
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
        self._client = new_client(address, client_id, will)
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
        self._client.connect_async(self._address.host, self._address.port, keepalive=KEEPALIVE_S)
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
            info = self._client.publish(topic, payload, qos=QOS, retain=retain)
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
            _, number = client.subscribe([(subscription, QOS) for subscription in subscriptions])
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
                "broker %s refuses the subscription to %s; has this user the right to it?", self._broker, subscription
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
            logger.info("connected to broker %s", self._broker)
        with self._lock:
            subscriptions, callbacks = list(self._subscriptions), list(self._callbacks)
        if subscriptions:
            self._subscribe(client, subscriptions)
        for callback in callbacks:
            try:
                callback()
            except Exception:  # the outermost loop of the bus thread, which must outlive it and call the others
                logger.exception("a callback failed after a connect to broker %s", self._broker)

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
            logger.warning("lost broker %s: %s; trying again", self._broker, reason)

    def _not_reached(self, _client: paho.Client, _data: Any) -> None:
        """paho tells no reason, but calls this while it handles the error."""
        self._complain(f"{why_not(sys.exception())}. Trying again")

    def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            self._complaint = complaint
            logger.warning("broker %s %s", self._broker, complaint)

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
