"""What became of desired tables, told to the cloud and told again after every reconnect."""

from __future__ import annotations

import threading

from protocol import topics
from protocol.bus import Bus
from protocol.messages import TableReport


class Reports:
    """The latest report of each network, published retained. May be called from any thread.

    Told under a lock: what a thread tells again must not come behind what another has to tell by now.
    """

    def __init__(self, bus: Bus, *, device: str) -> None:
        self._bus = bus
        self._device = device
        self._lock = threading.Lock()
        self._latest: dict[str, TableReport] = {}

    def start(self) -> None:
        self._bus.on_connect(self._publish_all)

    def __call__(self, report: TableReport) -> None:
        """Publishes a report now, or with the next connect."""
        with self._lock:
            self._latest[report.network] = report
            self._publish(report)

    def _publish_all(self) -> None:
        with self._lock:
            for report in self._latest.values():
                self._publish(report)

    def _publish(self, report: TableReport) -> None:
        self._bus.publish(topics.reported(self._device, report.network), report.to_bytes(), retain=True)
