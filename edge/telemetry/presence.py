"""Presence: the cloud knows whether the device is there."""

from __future__ import annotations

import threading

from protocol import topics
from protocol.bus import Bus, Will
from protocol.presence import Availability


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
