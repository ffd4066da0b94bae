"""Writing: what waits is committed in batches, and acknowledged after the commit."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from cloud.broker.publishing import BusPublisher
from cloud.intake.arrivals import Batch
from cloud.intake.items import Item, kinds, received_at, weight_of
from cloud.intake.news import JobNews, News, PresenceNews, TableNews
from cloud.intake.upkeep import Upkeep
from cloud.intake.waiting import Waiting
from cloud.jobs.publishing import LateLists, publish_jobs
from cloud.retention import Retention
from cloud.store.dead_letters.port import DeadLetter
from cloud.store.port import Store
from cloud.store.records.port import Arrival, Rejection
from cloud.watching.ingest_metrics import IngestMetrics
from cloud.watching.logs import facts
from protocol import topics
from protocol.bus import Bus
from protocol.errors import InvalidInput, ServiceMissing

logger = logging.getLogger(__name__)

_MOST_RECORDS = 2_000
_STOP_S = 1.5
_TOLD_EVERY_S = 60.0


class Writer:
    """A thread that commits what has gathered as one, tells devices what is kept, and tidies up while nothing comes.

    While the store is away the same goes again every `retry_s`, and nothing is acknowledged.
    """

    def __init__(
        self,
        waiting: Waiting[Item],
        store: Store,
        bus: Bus,
        *,
        gather_s: float,
        retry_s: float,
        retention: Retention,
        metrics: IngestMetrics,
        wall_clock: Callable[[], float],
    ) -> None:
        self._waiting = waiting
        self._store = store
        self._bus = bus
        self._gather_s = gather_s
        self._retry_s = retry_s
        self._metrics = metrics
        self._wall_clock = wall_clock
        self._publisher = BusPublisher(bus)
        self._late_lists = LateLists(store, self._publisher)
        self._upkeep = Upkeep(store, retention, wall_clock=wall_clock)
        self._stopping = threading.Event()
        self._away = self._unheard = False
        self._told_again_s = 0.0
        self._thread = threading.Thread(target=self._write_all, name="ingest-writer", daemon=True)

    def start(self) -> None:
        """Begins to write."""
        self._thread.start()

    def stop(self) -> None:
        """Waits at most two seconds for what waits to be written, once the end of that was called."""
        self._stopping.set()
        self._thread.join(_STOP_S)

    @property
    def alive(self) -> bool:
        """False once its thread has ended, or before it began."""
        return self._thread.is_alive()

    @property
    def away(self) -> bool:
        """Whether the store was when something was to be written last."""
        return self._away

    def _write_all(self) -> None:
        """What has gathered is committed as one, and goes again as long as the store is away."""
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
        return not self._waiting.ended

    def _gather(self) -> list[Item]:
        """What comes within the time to gather after the first item. Nothing, when nothing comes before there may be lists to
        publish or records to tidy up."""
        wait_s = min(self._late_lists.wait_s, self._upkeep.wait_s)
        return self._waiting.gather(first_within_s=wait_s, then_within_s=self._gather_s, weight=_MOST_RECORDS)

    def _written(self, items: Sequence[Item]) -> bool:
        """Commits and acknowledges; False when the store is away."""
        self._metrics.writing(min(map(received_at, items)))
        began_s = time.monotonic()
        try:
            self._commit(items)
        except ServiceMissing as error:
            self._tell_away(error, waiting=sum(map(weight_of, items)) + self._waiting.weight)
            return False
        except Exception as error:  # what nobody foresaw in one of these must not hold up the others
            if len(items) > 1:
                middle = len(items) // 2
                return self._written(items[:middle]) and self._written(items[middle:])
            if isinstance(error, InvalidInput) and isinstance(items[0], News):
                return self._written([_refused(items[0], error)])
            logger.exception("could not write a message of '%s'; it is dropped unacknowledged", items[0].device)
            self._metrics.given_up()
            return True
        self._tell_back()
        self._metrics.written(kinds(items), took_s=time.monotonic() - began_s)
        self._acknowledge(items)
        self._renew_lists(items)
        return True

    def _tell_away(self, error: ServiceMissing, *, waiting: int) -> None:
        """At once, and as long as it lasts once a minute."""
        self._away = True
        if time.monotonic() >= self._told_again_s:
            logger.warning("%s; %d records wait, nothing is acknowledged", error, waiting)
            self._told_again_s = time.monotonic() + _TOLD_EVERY_S

    def _tell_back(self) -> None:
        if self._away:
            logger.info("the store is back; what waits is written and acknowledged")
        self._away, self._told_again_s = False, 0.0

    def _commit(self, items: Sequence[Item]) -> None:
        arrivals = [arrival for item in items if isinstance(item, Batch) for arrival in item.arrivals]
        if arrivals:
            _keep(self._store, arrivals)
        if letters := [item for item in items if isinstance(item, DeadLetter)]:
            self._store.put_aside(letters)
        if rejected := len(letters) + sum(isinstance(arrival.content, Rejection) for arrival in arrivals):
            self._upkeep.note_letters(rejected)
        for item in items:
            self._note(item)

    def _note(self, item: Item) -> None:
        """What is to be kept or said of one item beside its records."""
        match item:
            case PresenceNews(device, availability, at):
                self._store.note_availability(device, availability, at=at, now=self._wall_clock())
            case TableNews(device, report, at):
                if not self._store.knows_network(report.network):
                    logger.info(
                        "%s: dropped its report on network %s, of which nobody here knows", device, report.network
                    )
                    return
                self._store.note_report(device, report, at=at, now=self._wall_clock())
            case JobNews(device, report, at):
                if not self._store.note_job(device, report, at=at):
                    logger.info("%s: dropped news of job %s, which is not one of its", device, report.id)
            case Batch():
                if item.unidentified:
                    logger.warning("%s: %d records without a sequence dropped", item.device, item.unidentified)

    def _acknowledge(self, items: Sequence[Item]) -> None:
        batches = [item for item in items if isinstance(item, Batch) and item.arrivals]
        unheard = sum(not self._bus.publish(topics.ack(batch.device), batch.ack.to_bytes()) for batch in batches)
        self._metrics.unacknowledged(unheard)
        if batches and bool(unheard) != self._unheard:
            self._unheard = bool(unheard)
            if unheard:
                logger.warning("what is committed cannot be acknowledged: the broker is away; devices send it again")
            else:
                logger.info("what is committed is acknowledged again")

    def _renew_lists(self, items: Sequence[Item]) -> None:
        """Tells devices what is left to do once a job has ended; also one that tells so again: it may not have heard."""
        for device in sorted({item.device for item in items if isinstance(item, JobNews) and item.report.state.final}):
            try:
                publish_jobs(self._store, self._publisher, device=device)
            except ServiceMissing as error:
                logger.warning("%s: its jobs are published later: %s", device, error)


def _refused(news: News, error: InvalidInput) -> DeadLetter:
    logger.warning("put aside what '%s' said: %s", news.device, error)
    return news.letter(reason=str(error))


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
