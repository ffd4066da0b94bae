"""The bus between devices and cloud: the port, and the one in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from protocol.topics import matches

Handler = Callable[[str, bytes], None]
"""Takes a topic and a payload. It must not raise: what it cannot use, it logs and drops."""


@dataclass(frozen=True)
class Will:
    """What the broker publishes, retained, when this client vanishes without saying goodbye."""

    topic: str
    payload: bytes


class Bus(Protocol):
    """Publish and subscribe, at least once (QoS 1).

    All methods may be called from any thread and return without waiting for the broker. Handlers run on one thread of
    the bus, one message at a time. Messages may be lost or repeated by the broker; what must not be lost is
    acknowledged at a higher level. What was on its way when a connection broke is not sent again: what is still true is
    said anew in an `on_connect` callback. Subscriptions and these callbacks are renewed at every reconnect.
    """

    def start(self) -> None:
        """Connects in the background and keeps reconnecting; a broker that is away is no error."""
        ...

    def stop(self) -> None:
        """Says goodbye (the will is not sent) and ends the thread. What was published last has reached a broker that answers
        within two seconds."""
        ...

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, patience_s: float = 0.0) -> bool:
        """Hands a message to the broker; False when it was not connected and the message was dropped.

        With `patience_s` it waits so many seconds for the broker's acknowledgement, and is False when none came: not to be
        asked for on the bus's own thread, which the acknowledgement comes in on.
        """
        ...

    def subscribe(self, pattern: str, handler: Handler, *, group: str = "") -> None:
        """Calls `handler` for each message that matches `pattern`, retained ones first.

        With `group` each message goes to one alone of those that subscribed with the same pattern and group, and retained ones to
        none. Not every broker can: `protocol.mqtt.calls.offers_sharing`.
        """
        ...

    def on_connect(self, callback: Callable[[], None]) -> None:
        """Calls back after every connect, once the subscriptions stand. It must not raise, as a handler must not."""
        ...

    @property
    def connected(self) -> bool: ...

    @property
    def backlog(self) -> int:
        """How many messages are on their way: published on the connection that stands, and not acknowledged by the broker."""
        ...


class InMemoryHub:
    """The broker of the buses in memory: retained messages and wills included."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.buses: list[InMemoryBus] = []
        self.retained: dict[str, bytes] = {}
        self._turn = 0

    def route(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Delivers to all connected buses; an empty retained payload clears, as in MQTT."""
        with self.lock:
            if retain and payload:
                self.retained[topic] = payload
            elif retain:
                self.retained.pop(topic, None)
            for bus in list(self.buses):
                bus.deliver(topic, payload)
            self._share(topic, payload)

    def _share(self, topic: str, payload: bytes) -> None:
        """To one of each group, in turn."""
        groups: dict[tuple[str, str], list[Handler]] = {}
        for bus in self.buses:
            for group, pattern, handler in bus.shared:
                if matches(pattern, topic):
                    groups.setdefault((group, pattern), []).append(handler)
        for handlers in groups.values():
            self._turn += 1
            handlers[self._turn % len(handlers)](topic, payload)


class InMemoryBus:
    """A `Bus` within one process. Delivery is synchronous: `publish` returns after the handlers ran."""

    def __init__(self, hub: InMemoryHub, *, will: Will | None = None) -> None:
        self._hub = hub
        self._will = will
        self._handlers: list[tuple[str, Handler]] = []
        self.shared: list[tuple[str, str, Handler]] = []
        self._callbacks: list[Callable[[], None]] = []
        self._connected = False

    @property
    def connected(self) -> bool:
        return self._connected

    @property
    def backlog(self) -> int:
        return 0

    def start(self) -> None:
        with self._hub.lock:
            self._hub.buses.append(self)
            self._connected = True
            for pattern, handler in self._handlers:
                self._replay(pattern, handler)
        for callback in self._callbacks:
            callback()

    def stop(self) -> None:
        with self._hub.lock:
            self._connected = False
            if self in self._hub.buses:
                self._hub.buses.remove(self)

    def vanish(self) -> None:
        """What a cut cable does: the hub publishes the will."""
        self.stop()
        if self._will:
            self._hub.route(self._will.topic, self._will.payload, retain=True)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, patience_s: float = 0.0) -> bool:  # noqa: ARG002 - delivery is at once
        if not self._connected:
            return False
        self._hub.route(topic, payload, retain=retain)
        return True

    def subscribe(self, pattern: str, handler: Handler, *, group: str = "") -> None:
        if group:
            self.shared.append((group, pattern, handler))
            return
        self._handlers.append((pattern, handler))
        if self._connected:
            self._replay(pattern, handler)

    def on_connect(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)
        if self._connected:
            callback()

    def deliver(self, topic: str, payload: bytes) -> None:
        """Called by the hub."""
        for pattern, handler in self._handlers:
            if matches(pattern, topic):
                handler(topic, payload)

    def _replay(self, pattern: str, handler: Handler) -> None:
        for topic, payload in list(self._hub.retained.items()):
            if matches(pattern, topic):
                handler(topic, payload)
