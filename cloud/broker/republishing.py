"""What a broker retains is said again when it may have lost it."""

from __future__ import annotations

import threading
from typing import Protocol

from protocol.bus import Bus


class Publications(Protocol):
    """What is known of what the broker has taken. Thread-safe."""

    def note_desired_lost(self) -> None:
        """The broker may have lost all desired tables, and may retain those again that were withdrawn: all are to be published."""
        ...

    def note_job_lists_lost(self) -> None:
        """The broker may have lost the lists of all devices: all are to be published."""
        ...


class Republishing:
    """Takes each new connection for one to a broker that has forgotten.

    A broker acknowledges what it has in memory, and writes that down later (Mosquitto: `autosave_interval`, see mosquitto.conf(5)):
    when it is killed it loses tables and jobs of devices that are off, and when its disk is new it has none. Whoever publishes what
    is late does the rest. What did stand there comes to devices a second time, which changes nothing.
    """

    def __init__(self, store: Publications, bus: Bus) -> None:
        self._store = store
        self._due = threading.Event()
        bus.on_connect(self._due.set)

    def look(self) -> None:
        """Where there was a connect since the last look. ServiceMissing when the store is away: the next look tries again."""
        if not self._due.is_set():
            return
        self._due.clear()
        try:
            self._store.note_desired_lost()
            self._store.note_job_lists_lost()
        except BaseException:
            self._due.set()
            raise
