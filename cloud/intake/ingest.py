"""Ingest: from the bus into the store, in batches, acknowledged after the commit."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from cloud.intake.arrivals import read_batch
from cloud.intake.items import Item, weight_of
from cloud.intake.news import read_job_news, read_presence, read_report
from cloud.intake.waiting import Waiting
from cloud.intake.writing import Writer
from cloud.retention import Retention
from cloud.store.dead_letters.port import DeadLetter, letter_of_message
from cloud.store.port import Store
from cloud.watching.ingest_metrics import IngestMetrics
from protocol import topics
from protocol.bus import Bus, Handler
from protocol.errors import InvalidInput

logger = logging.getLogger(__name__)

_WAITING_RECORDS = 20_000
"""Some hundred megabytes as Python objects."""
_MOST_BYTES = 1024 * 1024
"""Of a message: devices send at most 256 KiB at once, unless one record alone is larger."""
_PATIENCE_S = 5.0
"""How long the bus may wait for room; the broker gives a client up after one and a half times its keepalive."""
_GATHER_S = 0.1
_RETRY_S = 1.0
_DEFAULT_RETENTION = Retention()


class _Reading(Protocol):
    """An item from its message; InvalidInput when it is none. `received_at`: wall time in seconds since the epoch."""

    def __call__(self, topic: str, payload: bytes, *, received_at: float) -> Item: ...


class Ingest:
    """Takes messages from the bus on the bus's thread, and has them written on a thread of its own.

    So many records wait as memory may hold. When the store cannot keep up the bus waits a moment, and the broker keeps what comes;
    while the store is away, later messages are dropped. Nothing is lost: devices send again what nobody acknowledged.

    With `share` telemetry is divided among all ingest processes. What devices say of themselves goes to each of them: it is
    retained, which a shared subscription would not get, and small; the store goes by when it came in.
    """

    def __init__(
        self,
        bus: Bus,
        store: Store,
        *,
        wall_clock: Callable[[], float] = time.time,
        gather_s: float = _GATHER_S,
        retry_s: float = _RETRY_S,
        retention: Retention = _DEFAULT_RETENTION,
        share: bool = False,
        metrics: IngestMetrics | None = None,
    ) -> None:
        self._bus = bus
        self._wall_clock = wall_clock
        self._share = share
        self._items: Waiting[Item] = Waiting(most=_WAITING_RECORDS)
        self._metrics = metrics or IngestMetrics()
        self._metrics.watch_waiting(lambda: self._items.weight)
        self._metrics.watch_missing(broker=lambda: not bus.connected, store=lambda: self._writer.away)
        self._stopping = threading.Event()
        self._overflowing = False
        self._writer = Writer(
            self._items,
            store,
            bus,
            gather_s=gather_s,
            retry_s=retry_s,
            retention=retention,
            metrics=self._metrics,
            wall_clock=wall_clock,
        )

    def start(self) -> None:
        """Subscribes and starts to write."""
        self._writer.start()
        self._bus.subscribe(topics.telemetry("+"), self._take(read_batch), group=topics.INGEST if self._share else "")
        self._bus.subscribe(topics.availability("+"), _unless_cleared(self._take(read_presence)))
        self._bus.subscribe(topics.reported("+", "+"), _unless_cleared(self._take(read_report)))
        self._bus.subscribe(topics.job_reported("+"), self._take(read_job_news))
        self._bus.start()

    def stop(self) -> None:
        """Takes no more messages, writes those that wait if the store lets it, and returns within two seconds."""
        self._stopping.set()
        self._items.end()
        self._writer.stop()
        self._bus.stop()

    @property
    def alive(self) -> bool:
        """False once the writer has ended, or before it began."""
        return self._writer.alive

    def _take(self, read: _Reading) -> Handler:
        def handle(topic: str, payload: bytes) -> None:
            if self._stopping.is_set():
                return
            try:
                if len(payload) > _MOST_BYTES:
                    raise InvalidInput(f"a message of {len(payload)} bytes; at most {_MOST_BYTES} are taken")
                self._enqueue(read(topic, payload, received_at=self._wall_clock()))
            except InvalidInput as error:
                logger.warning("put aside a message on %s: %s", topic, error)
                self._enqueue(self._letter(topic, payload, reason=str(error)))

        return handle

    def _letter(self, topic: str, payload: bytes, *, reason: str) -> DeadLetter:
        try:
            device = topics.device_of(topic)
        except InvalidInput:
            device = ""
        return letter_of_message(topic, payload, device=device, reason=reason, received_at=self._wall_clock())

    def _enqueue(self, item: Item) -> None:
        self._metrics.received(self._wall_clock())
        patience_s = 0.0 if self._writer.away else _PATIENCE_S
        if self._items.put(item, weight=weight_of(item), patience_s=patience_s):
            self._overflowing = False
            return
        self._metrics.dropped()
        if not self._overflowing and not self._stopping.is_set():
            logger.warning("%d records wait for the store; dropping more until it writes", self._items.weight)
            self._overflowing = True


def _unless_cleared(handle: Handler) -> Handler:
    """An empty message takes what was retained off the broker, as when a device is retired; it says nothing."""
    return lambda topic, payload: handle(topic, payload) if payload else None
