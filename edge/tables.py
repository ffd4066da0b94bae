"""Tables that the operator desires: verified, applied between requests, and reported."""

from __future__ import annotations

import hashlib
import logging
import threading
from dataclasses import dataclass, replace
from typing import Protocol

from edge.bundles import BundleStore
from edge.capabilities import Capabilities
from edge.networks import Networks, Plan
from edge.table_store import TableHistory, TableStore
from models.bundle import Bundle
from planner.choosing.limits import Limits
from protocol import topics
from protocol.bus import Bus
from protocol.documents import parse_object
from protocol.errors import BundleMismatch, Conflict, DynaSplitError, InvalidInput, NotFound, ServiceMissing
from protocol.messages import TableReport, TableState
from protocol.signing import SignedTable, verify
from protocol.table import Table

logger = logging.getLogger(__name__)


class Warmer(Protocol):
    """Opens a bundle where it will run, so that it is known to run there before a table that needs it is applied."""

    def __call__(self, bundle: Bundle, threads: int) -> None:
        """Raises a DynaSplitError when the bundle cannot be opened."""
        ...


@dataclass(frozen=True)
class Trust:
    """Whose tables this device takes: made for `device`, signed by the holder of `public_key`'s private half."""

    device: str
    public_key: str


class Tables:
    """Decides about desired tables. `consider` and `resume` are for one thread at a time.

    A table is applied when it is signed by the pinned key, newer than the current one, made for this device and
    network, when its bundle is here or can be fetched and opened and has every row's cut, and the board every row's
    clock, and when the device's limits leave a row of it. It is on disk before it is used; the one before is kept, to go
    back to when the current one's bundle breaks.
    """

    def __init__(
        self,
        store: TableStore,
        bundles: BundleStore,
        networks: Networks,
        *,
        trust: Trust,
        capabilities: Capabilities,
        limits: Limits,
        warm: Warmer,
    ) -> None:
        self._store = store
        self._bundles = bundles
        self._networks = networks
        self._trust = trust
        self._capabilities = capabilities
        self._limits = limits
        self._warm = warm

    def resume(self) -> list[TableReport]:
        """After a start: serves again with what is on disk, without the network where the bundles are here."""
        reports = [self._resumed(network, self._store.load(network)) for network in self._store.networks()]
        return [report for report in reports if report]

    def consider(self, network: str, payload: bytes) -> TableReport | None:
        """Applies or rejects what was published for a network. None when it was rejected before.

        Raises ServiceMissing when the bundle cannot be fetched now: try again later.
        """
        history = self._store.load(network)
        fingerprint = hashlib.sha256(payload).hexdigest()
        if fingerprint in history.rejected:
            return None
        report = TableReport(network, digest="", version=0, state=TableState.APPLIED)
        try:
            signed = SignedTable.from_json(parse_object(payload, what="desired table"))
            report = replace(report, digest=signed.table.digest, version=signed.table.version)
            known = history.current is not None and history.current.table.digest == signed.table.digest
            if known and self._in_use(network, signed.table):
                return report
            plan = self._checked(signed.table) if known else self._plan(network, signed, history)
        except ServiceMissing:
            raise
        except DynaSplitError as error:
            logger.warning("rejected a table for %s: %s", network, error)
            self._store.save(network, history.with_rejected(fingerprint, str(error)))
            return replace(report, state=TableState.REJECTED, reason=str(error))
        if not known:
            self._store.save(network, history.with_current(signed))
        self._networks.apply(plan)
        logger.info("applied table %.12s, version %d, for %s", report.digest, report.version, network)
        return report

    def _plan(self, network: str, signed: SignedTable, history: TableHistory) -> Plan:
        table = signed.table
        verify(signed, self._trust.public_key)
        if (table.network, table.device) != (network, self._trust.device):
            raise Conflict(
                f"the table is for network {table.network} on device {table.device}, "
                f"not for {network} on {self._trust.device}"
            )
        current = history.current.table.version if history.current else 0
        if table.version <= current:
            raise Conflict(f"the table has version {table.version}, not newer than {current}, which is in use")
        return self._checked(table)

    def _in_use(self, network: str, table: Table) -> bool:
        plan = next((known.plan for known in self._networks.all() if known.name == network), None)
        return plan is not None and plan.table.digest == table.digest

    def _checked(self, table: Table) -> Plan:
        """The table with its bundle, every row of which this device can run, and one of which it may."""
        bundle = self._bundles.get(table.bundle)
        if bundle.manifest.network != table.network:
            raise BundleMismatch(f"bundle {table.bundle:.12} holds {bundle.manifest.network}, not {table.network}")
        for row in table.rows:
            try:
                self._capabilities.check(row.configuration, bundle.manifest)
            except (InvalidInput, NotFound) as error:
                raise InvalidInput(f"row '{row.configuration}': {error}") from error
        plan = Plan.of(table, bundle)
        self._limits.check_table(plan.candidates.parts)
        for threads in sorted({row.configuration.threads for row in table.rows}):
            self._warm(bundle, threads)
        return plan

    def _resumed(self, network: str, history: TableHistory) -> TableReport | None:
        """The current table, or the previous one where the current one cannot be used any more."""
        reason = ""
        for signed, state in ((history.current, TableState.APPLIED), (history.previous, TableState.ROLLED_BACK)):
            if signed is None:
                continue
            try:
                verify(signed, self._trust.public_key)
                self._networks.apply(self._checked(signed.table))
            except DynaSplitError as error:
                logger.warning("table %.12s of %s cannot be used: %s", signed.table.digest, network, error)
                reason = str(error)
                continue
            return TableReport(network, signed.table.digest, signed.table.version, state, reason)
        return None


class Reporter(Protocol):
    """Takes a report from the tables' thread; must not block for long."""

    def __call__(self, report: TableReport) -> None: ...


class DesiredTables:
    """Listens for desired tables and works them off on a thread of its own, since a bundle may take long to fetch.

    Of several for one network only the latest is looked at. When the backend is away it is tried again, ever less
    often, until it answers or another table is desired. `report` is called with what became of each.
    """

    def __init__(self, tables: Tables, *, report: Reporter, retry_s: float = 5.0, longest_s: float = 300.0) -> None:
        self._tables = tables
        self._report = report
        self._retry_s = retry_s
        self._longest_s = longest_s
        self._changed = threading.Condition()
        self._pending: dict[str, bytes] = {}
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="tables", daemon=True)

    def start(self, bus: Bus, *, device: str) -> None:
        """Listens on the bus, which may be started before or after."""
        bus.subscribe(topics.desired(device, "+"), self._received)
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def desire(self, network: str, payload: bytes) -> None:
        """Queues a document that was published for a network; returns at once."""
        with self._changed:
            self._pending[network] = payload
            self._changed.notify_all()

    def _received(self, topic: str, payload: bytes) -> None:
        """An empty payload is a retained table that was cleared: what was applied stays."""
        if payload:
            self.desire(topics.network_of(topic), payload)

    def _run(self) -> None:
        delay_s = self._retry_s
        while pending := self._next():
            failed = [network for network, payload in pending.items() if not self._settled(network, payload)]
            if failed:
                self._pause(delay_s, {network: pending[network] for network in failed})
            delay_s = min(2 * delay_s, self._longest_s) if failed else self._retry_s

    def _next(self) -> dict[str, bytes]:
        """What waits, once something does; empty at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._pending or self._stopping)
            pending, self._pending = self._pending, {}
            return {} if self._stopping else pending

    def _pause(self, delay_s: float, failed: dict[str, bytes]) -> None:
        """Waits, but not longer than until something new is desired; what failed is queued again unless replaced."""
        with self._changed:
            self._changed.wait_for(lambda: self._pending or self._stopping, timeout=delay_s)
            self._pending = failed | self._pending

    def _settled(self, network: str, payload: bytes) -> bool:
        try:
            report = self._tables.consider(network, payload)
        except ServiceMissing as error:
            logger.warning("table for %s waits: %s", network, error)
            return False
        except Exception:  # the outermost loop of this thread: later tables must still be looked at
            logger.exception("dropped a desired table for %s", network)
            return True
        if report:
            self._report(report)
        return True
