"""Presence: the cloud knows whether the device is there."""

from __future__ import annotations

import hashlib
import hmac
import threading

from protocol import topics
from protocol.bus import Bus, Will
from protocol.presence import Availability

_MARK_LENGTH = 24


def client_id(device: str, *, secret: str) -> str:
    """What the device calls itself at the broker: at each start the same, and known to nobody else.

    A broker ends the connection of whom another client calls itself like (MQTT 3.1.1, 3.1.4-2), whatever account that one has.
    `secret`: of the device alone; it cannot be told from the name.
    """
    mark = hmac.new(secret.encode(), b"MQTT client id of " + device.encode(), hashlib.sha256).hexdigest()
    return f"dynasplit-{device}-{mark[:_MARK_LENGTH]}"


def last_will(device: str) -> Will:
    """What the broker says for the device when it vanishes; hand it to the bus when that is made."""
    return Will(topics.availability(device), Availability.OFFLINE.to_bytes())


class Presence:
    """Says `online`, retained, after every connect (the will may have spoken meanwhile), and `stopped` at a clean end, after
    which nothing else is said."""

    def __init__(self, bus: Bus, *, device: str) -> None:
        self._bus = bus
        self._topic = topics.availability(device)
        self._lock = threading.Lock()
        self._word = Availability.ONLINE

    def start(self) -> None:
        self._bus.on_connect(self._say)

    def stop(self) -> None:
        """Call it before the bus is stopped: a clean goodbye does not send the will."""
        with self._lock:
            self._word = Availability.STOPPED
        self._say()

    def _say(self) -> None:
        with self._lock:
            self._bus.publish(self._topic, self._word.to_bytes(), retain=True)
