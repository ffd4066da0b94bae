"""Ingest: from the bus into the store, in batches, acknowledged after the commit."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from cloud.broker.publishing import BusPublisher
from cloud.intake.arrivals import Batch, read_batch
from cloud.intake.upkeep import Upkeep
from cloud.intake.waiting import Waiting
from cloud.jobs.publishing import LateLists, publish_jobs
from cloud.retention import Retention
from cloud.store.dead_letters.port import DeadLetter, letter_of_message
from cloud.store.port import Store
from cloud.store.records.port import Arrival, Rejection
from cloud.watching.ingest_metrics import IngestMetrics
from cloud.watching.logs import facts
from protocol import topics
from protocol.bus import Bus
from protocol.errors import InvalidInput, ServiceMissing
from protocol.jobs import JobReport
from protocol.messages import TableReport
from protocol.presence import Availability

logger = logging.getLogger(__name__)

_WAITING_RECORDS = 20_000
"""Some hundred megabytes as Python objects."""
_RECORD_BYTES = 4096
"""What weighs more than its records, as these are in telemetry, weighs as many of this size."""
_MOST_BYTES = 1024 * 1024
"""Of a message: devices send at most 256 KiB at once, unless one record alone is larger."""
_MOST_REASON = 2000
_MOST_DIGEST = 64
_PATIENCE_S = 5.0
"""How long the bus may wait for room; the broker gives a client up after one and a half times its keepalive."""
_MOST_RECORDS = 2_000
_GATHER_S = 0.1
_RETRY_S = 1.0
_STOP_S = 1.5
_DEFAULT_RETENTION = Retention()


@dataclass(frozen=True)
class PresenceNews:
    """A device came, went or was stopped."""

    device: str
    availability: Availability
    at: float


@dataclass(frozen=True)
class TableNews:
    """A device said what it did with a table."""

    device: str
    report: TableReport
    at: float


@dataclass(frozen=True)
class JobNews:
    """A device said how far a job is."""

    device: str
    report: JobReport
    at: float


_Report = TypeVar("_Report", TableReport, JobReport)
Item = Batch | DeadLetter | PresenceNews | TableNews | JobNews


class Ingest:
    """Takes messages from the bus on the bus's thread, and writes them on a thread of its own.

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
        self._store = store
        self._wall_clock = wall_clock
        self._gather_s = gather_s
        self._retry_s = retry_s
        self._publisher = BusPublisher(bus)
        self._late_lists = LateLists(store, self._publisher)
        self._upkeep = Upkeep(store, retention, wall_clock=wall_clock)
        self._share = share
        self._items: Waiting[Item] = Waiting(most=_WAITING_RECORDS)
        self._metrics = metrics or IngestMetrics()
        self._metrics.watch_waiting(lambda: self._items.weight)
        self._stopping = threading.Event()
        self._overflowing = False
        self._away = False
        self._writer = threading.Thread(target=self._write_all, name="ingest-writer", daemon=True)

    def start(self) -> None:
        """Subscribes and starts to write."""
        self._writer.start()
        self._bus.subscribe(topics.telemetry("+"), self._take(self._batch), group=topics.INGEST if self._share else "")
        self._bus.subscribe(topics.availability("+"), _unless_cleared(self._take(self._presence)))
        self._bus.subscribe(topics.reported("+", "+"), _unless_cleared(self._take(self._report)))
        self._bus.subscribe(topics.job_reported("+"), self._take(self._job_news))
        self._bus.start()

    def stop(self) -> None:
        """Takes no more messages, writes those that wait if the store lets it, and returns within two seconds."""
        self._stopping.set()
        self._items.end()
        self._writer.join(_STOP_S)
        self._bus.stop()

    @property
    def alive(self) -> bool:
        """False once the writer has ended, or before it began."""
        return self._writer.is_alive()

    def _take(self, read: Callable[[str, bytes], Item]) -> Callable[[str, bytes], None]:
        def handle(topic: str, payload: bytes) -> None:
            if self._stopping.is_set():
                return
            try:
                if len(payload) > _MOST_BYTES:
                    raise InvalidInput(f"a message of {len(payload)} bytes; at most {_MOST_BYTES} are taken")
                self._enqueue(read(topic, payload))
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

    def _batch(self, topic: str, payload: bytes) -> Batch:
        return read_batch(topic, payload, received_at=self._wall_clock())

    def _presence(self, topic: str, payload: bytes) -> PresenceNews:
        return PresenceNews(topics.device_of(topic), Availability.from_bytes(payload), self._wall_clock())

    def _report(self, topic: str, payload: bytes) -> TableNews:
        report = TableReport.from_bytes(payload)
        if report.network != topics.network_of(topic):
            raise InvalidInput(f"the report is about {report.network!r:.64}, not about its topic's network")
        if max(len(report.digest), len(report.failed)) > _MOST_DIGEST:
            raise InvalidInput(f"the report's digests must have at most {_MOST_DIGEST} characters")
        return TableNews(topics.device_of(topic), _shortened(report), self._wall_clock())

    def _job_news(self, topic: str, payload: bytes) -> JobNews:
        return JobNews(topics.device_of(topic), _shortened(JobReport.from_bytes(payload)), self._wall_clock())

    def _enqueue(self, item: Item) -> None:
        self._metrics.received(self._wall_clock())
        patience_s = 0.0 if self._away else _PATIENCE_S
        if self._items.put(item, weight=_size(item), patience_s=patience_s):
            self._overflowing = False
            return
        self._metrics.dropped()
        if not self._overflowing and not self._stopping.is_set():
            logger.warning("%d records wait for the store; dropping more until it writes", self._items.weight)
            self._overflowing = True

    def _write_all(self) -> None:
        """The writer's loop: what has gathered is committed as one, and goes again as long as the store is away."""
        try:
            self._store.ready()
        except ServiceMissing as error:
            logger.warning("%s; trying again when there is something to write", error)
        while self._goes_on():
            pass

    def _goes_on(self) -> bool:
        """One round of the loop; False at the end."""
        try:
            self._late_lists.look()
            items = self._gather()
            while items and not self._written(items):
                if self._stopping.wait(self._retry_s):
                    return False
            self._upkeep.step(busy=bool(items))
        except Exception:  # the writer's outermost loop: it must outlive what nobody foresaw
            logger.exception("the writer stumbled; it goes on")
            return not self._stopping.wait(self._retry_s)
        return not self._items.ended

    def _gather(self) -> list[Item]:
        """What comes within the time to gather after the first item. Nothing, when nothing comes before there may be lists to
        publish or records to tidy up."""
        wait_s = min(self._late_lists.wait_s, self._upkeep.wait_s)
        return self._items.gather(first_within_s=wait_s, then_within_s=self._gather_s, weight=_MOST_RECORDS)

    def _written(self, items: Sequence[Item]) -> bool:
        """Commits and acknowledges; False when the store is away."""
        self._metrics.writing(min(map(_received_at, items)))
        began_s = time.monotonic()
        try:
            self._commit(items)
        except ServiceMissing as error:
            waiting = sum(map(_size, items)) + self._items.weight
            logger.warning("%s; %d records wait, nothing is acknowledged", error, waiting)
            self._away = True
            return False
        except Exception:  # what nobody foresaw in these must not hold up those that come after them
            logger.exception("could not write %d messages; they are dropped unacknowledged", len(items))
            return True
        self._away = False
        self._metrics.written(_kinds(items), took_s=time.monotonic() - began_s)
        self._acknowledge(items)
        self._renew_lists(items)
        return True

    def _commit(self, items: Sequence[Item]) -> None:
        arrivals = [arrival for item in items if isinstance(item, Batch) for arrival in item.arrivals]
        if arrivals:
            _keep(self._store, arrivals)
        if letters := [item for item in items if isinstance(item, DeadLetter)]:
            self._store.put_aside(letters)
        if rejected := len(letters) + sum(isinstance(arrival.content, Rejection) for arrival in arrivals):
            self._upkeep.note_letters(rejected)
        for item in items:
            match item:
                case PresenceNews(device, availability, at):
                    self._store.note_availability(device, availability, at=at, now=self._wall_clock())
                case TableNews(device, report, at):
                    self._store.note_report(device, report, at=at, now=self._wall_clock())
                case JobNews(device, report, at):
                    if not self._store.note_job(device, report, at=at):
                        logger.info("%s: dropped news of job %s, which is not one of its", device, report.id)
                case Batch():
                    if item.unidentified:
                        logger.warning("%s: %d records without a sequence dropped", item.device, item.unidentified)

    def _acknowledge(self, items: Sequence[Item]) -> None:
        for item in items:
            if isinstance(item, Batch) and item.arrivals:
                self._bus.publish(topics.ack(item.device), item.ack.to_bytes())

    def _renew_lists(self, items: Sequence[Item]) -> None:
        """Tells devices what is left to do once a job has ended; also one that tells so again: it may not have heard."""
        for device in sorted({item.device for item in items if isinstance(item, JobNews) and item.report.state.final}):
            try:
                publish_jobs(self._store, self._publisher, device=device)
            except ServiceMissing as error:
                logger.warning("%s: its jobs are published later: %s", device, error)


def _unless_cleared(handle: Callable[[str, bytes], None]) -> Callable[[str, bytes], None]:
    """An empty message takes what was retained off the broker, as when a device is retired; it says nothing."""
    return lambda topic, payload: handle(topic, payload) if payload else None


def _shortened(report: _Report) -> _Report:
    return replace(report, reason=report.reason[:_MOST_REASON])


def _size(item: Item) -> int:
    """What it weighs where records wait; nothing weighs nothing."""
    return max(1, len(item.arrivals), item.size_bytes // _RECORD_BYTES) if isinstance(item, Batch) else 1


def _received_at(item: Item) -> float:
    match item:
        case Batch():
            return min((arrival.received_at for arrival in item.arrivals), default=math.inf)
        case DeadLetter():
            return item.received_at
        case _:
            return item.at


def _kinds(items: Sequence[Item]) -> Counter[str]:
    """How many records of each kind there are, messages that could not be read among the rejected."""
    batches = [item for item in items if isinstance(item, Batch)]
    counts = Counter(type(arrival.content).__name__.lower() for batch in batches for arrival in batch.arrivals)
    counts["rejection"] += sum(isinstance(item, DeadLetter) for item in items)
    return +counts


def _keep(store: Store, arrivals: Sequence[Arrival]) -> None:
    """Writes records; one that the database cannot keep is found and put aside, so that it holds up no other."""
    try:
        store.write(arrivals)
    except InvalidInput as error:
        if len(arrivals) > 1:
            middle = len(arrivals) // 2
            _keep(store, arrivals[:middle])
            _keep(store, arrivals[middle:])
            return
        device, boot, sequence = arrivals[0].identity
        told = facts(device=device, boot=boot, sequence=sequence)
        logger.warning("put aside record %s of %s, boot %s: %s", sequence, device, boot, error, extra=told)
        store.write([replace(arrivals[0], body={}, content=Rejection("the database cannot keep it"))])
