"""Desired tables as they are published: worked off one after the other, reported, and tried again when the cloud is away."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Protocol

from edge.tables.deciding import Tables
from edge.tables.fetching import Fetching
from protocol import topics
from protocol.bus import Bus
from protocol.errors import Conflict, InvalidInput, NotFound, ServiceMissing
from protocol.messages import TableReport

logger = logging.getLogger(__name__)


Deciding = Callable[[], TableReport | None]
"""Something to be done about a network's tables: what became of it, None where nothing is to be told."""
_Task = tuple[str, str]
"""What it is about, `desired`, `current` or `warm`, and the network: the next of its kind replaces it."""


class Reporter(Protocol):
    """Takes a report from the tables' thread; must not block for long."""

    def __call__(self, report: TableReport) -> None: ...


class DesiredTables:
    """Listens for desired tables and works them off on a thread of its own, since a bundle may take long to open. There
    tables are judged that fail their first requests, and those completed whose bundle was not here at the start. What has
    to be fetched first waits aside until it is here, and holds up nothing else.

    Of several for one network only the latest is looked at. When the backend is away it is tried again, ever less
    often, until it answers or another table is desired. `report` is called with what became of each.
    """

    def __init__(self, tables: Tables, *, report: Reporter, retry_s: float = 5.0, longest_s: float = 300.0) -> None:
        self._tables = tables
        self._report = report
        self._retry_s = retry_s
        self._longest_s = longest_s
        self._changed = threading.Condition()
        self._pending: dict[_Task, Deciding] = {}
        self._latest: dict[str, bytes] = {}
        self._to_judge: set[str] = set()
        self._considering = threading.Lock()
        self._stopping = False
        self._fetching = Fetching[_Task](tables.fetch, arrived=self._whole, retry_s=retry_s, longest_s=longest_s)
        self._thread = threading.Thread(target=self._run, name="tables", daemon=True)

    def start(self, bus: Bus, *, device: str) -> None:
        """Listens on the bus, which may be started before or after."""
        bus.subscribe(topics.desired(device, "+"), self._received)
        self._tables.probations.listen(self._judge_soon)
        self._fetching.start()
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._fetching.stop()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def desire(self, network: str, payload: bytes) -> None:
        """Queues a document that was published for a network; returns at once."""
        with self._changed:
            self._latest[network] = payload
        self._queue(("desired", network), self._when_here(("desired", network)))

    def complete(self, network: str) -> None:
        """Queues what `Tables.complete` does; returns at once."""
        self._queue(("current", network), self._when_here(("current", network)))

    def warm(self, network: str) -> None:
        """Queues what `Tables.warm` does; returns at once."""
        self._queue(("warm", network), partial(self._tables.warm, network))

    def _queue(self, task: _Task, deciding: Deciding) -> None:
        with self._changed:
            self._pending[task] = deciding
            self._changed.notify_all()

    def _when_here(self, task: _Task) -> Deciding:
        """Decides, unless a bundle has to be fetched first."""

        def decide_or_fetch() -> TableReport | None:
            if away := self._away(task):
                self._fetching.want(task, away)
                return None
            return self._decide(task)

        return decide_or_fetch

    def _whole(self, task: _Task) -> None:
        """What was to be fetched for it is here, or can never be."""
        self._queue(task, partial(self._decide, task))

    def _away(self, task: _Task) -> str | None:
        what, network = task
        if what == "desired":
            return self._tables.away(network, self._latest[network])
        return self._tables.away_current(network)

    def _decide(self, task: _Task) -> TableReport | None:
        what, network = task
        if what == "desired":
            return self._tables.consider(network, self._latest[network])
        return self._tables.complete(network)

    def again(self, network: str) -> TableReport | None:
        """Considers what is desired for a network once more, also what was rejected before; waits while another is considered.

        None where nothing was desired since the start. ServiceMissing as `Tables.consider`.
        """
        with self._changed:
            payload = self._latest.get(network)
        if payload is None:
            return None
        with self._considering:
            self._tables.forget_rejections(network)
            away = self._tables.away(network, payload)
        if away:
            with suppress(Conflict, InvalidInput, NotFound):  # which make a verdict, below
                self._tables.fetch(away)
        with self._considering:
            report = self._tables.consider(network, payload)
        if report:
            self._report(report)
        return report

    def _received(self, topic: str, payload: bytes) -> None:
        """An empty payload is a retained table that was cleared: what was applied stays."""
        if not payload:
            return
        try:
            network = topics.network_of(topic)
        except InvalidInput as error:
            logger.warning("ignored a desired table: %s", error)
            return
        self.desire(network, payload)

    def _judge_soon(self, network: str) -> None:
        with self._changed:
            self._to_judge.add(network)
            self._changed.notify_all()

    def _run(self) -> None:
        delay_s = self._retry_s
        while not self._stopping:
            pending = self._next()
            failed = [task for task, deciding in pending.items() if not self._settle(task[1], deciding)]
            if failed:
                self._pause(delay_s, {task: pending[task] for task in failed})
            delay_s = min(2 * delay_s, self._longest_s) if failed else self._retry_s

    def _next(self) -> dict[_Task, Deciding]:
        """What is desired, once something is; tables are judged meanwhile. Empty at the end."""
        while True:
            with self._changed:
                self._changed.wait_for(self._woken)
                pending, self._pending = self._pending, {}
                to_judge, self._to_judge = self._to_judge, set()
            if self._stopping:
                return {}
            for network in to_judge:
                self._settle(network, partial(self._tables.judge, network))
            if pending:
                return pending

    def _woken(self) -> bool:
        return bool(self._pending or self._to_judge or self._stopping)

    def _pause(self, delay_s: float, failed: dict[_Task, Deciding]) -> None:
        """Waits, but not longer than until something new is to be done; what failed is queued again unless replaced."""
        with self._changed:
            self._changed.wait_for(self._woken, timeout=delay_s)
            self._pending = failed | self._pending

    def _settle(self, network: str, deciding: Deciding) -> bool:
        """Whether it need not be tried again."""
        try:
            with self._considering:
                report = deciding()
        except ServiceMissing as error:
            logger.warning("table for %s waits: %s", network, error)
            return False
        except Exception:  # the outermost loop of this thread: later tables must still be looked at
            logger.exception("could not decide about a table for %s", network)
            return True
        if report:
            self._report(report)
        return True
