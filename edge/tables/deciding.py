"""Tables that the operator desires: verified, applied between requests, and reported."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from dataclasses import dataclass, replace

from edge.runners.port import RunnerLost
from edge.tables.history import TableHistory, TableStore
from edge.tables.networks import Networks, Plan
from edge.tables.probation import Probation, Probations
from edge.tables.readiness import Readiness
from edge.tables.room import DiskFull
from protocol.documents import parse_object
from protocol.errors import Conflict, DynaSplitError, ServiceMissing
from protocol.messages import TableReport, TableState
from protocol.signing import SignedTable, verify
from protocol.table import Table

logger = logging.getLogger(__name__)

_LOST_AT_MOST = 3
"""Runners that a new table may cost: one can be killed for want of memory or power, so often in a row it is the bundle."""


@dataclass(frozen=True)
class Trust:
    """Whose tables this device takes: made for `device`, signed by the holder of `public_key`'s private half."""

    device: str
    public_key: str


class Tables:
    """Decides about desired tables. For one thread at a time, but for `fetch`.

    A table is applied when it is signed by the pinned key, newer than the current one, made for this device and
    network, when its bundle is here or can be fetched and opened and has every row's cut, and the board every row's
    clock, and when the device's limits leave a row of it. It is on disk before it is used; the one before is kept, to go
    back to when the current one's bundle breaks, or when the runner fails in its first requests (`probations`). A runner
    that is lost is no verdict on a table that was in use, and one on a new table only when that is so again and again.
    """

    def __init__(
        self,
        store: TableStore,
        readiness: Readiness,
        networks: Networks,
        *,
        trust: Trust,
    ) -> None:
        self._store = store
        self._readiness = readiness
        self._networks = networks
        self._trust = trust
        self._lost: Counter[str] = Counter()

    @property
    def probations(self) -> Probations:
        """How new tables fare in their first requests."""
        return self._networks.probations

    def resume(self) -> list[TableReport]:
        """After a start: serves again with the tables whose bundles are here. Nothing is fetched, which may take hours, and no
        bundle opened, which may take minutes; where one would have to be fetched, the table before serves if it can."""
        reports = [self._resumed(network, at_start=True) for network in self._store.networks()]
        return [report for report in reports if report]

    def warm(self, network: str) -> TableReport | None:
        """Opens the bundle of the table in use, which a start left to this; the table before where it cannot be opened any more,
        else None."""
        plan = self._plan_in_use(network)
        if plan is None:
            return None
        try:
            self._readiness.open_known(plan)
        except DynaSplitError as error:
            logger.warning("table %.12s of %s cannot be used: %s", plan.table.digest, network, error)
            return self._before(network, reason=str(error))
        return None

    def fetch(self, digest: str) -> None:
        """Has a bundle here; may take hours. Errors as `BundleStore.get`. From any thread."""
        self._readiness.fetch(digest)

    def away(self, network: str, payload: bytes) -> str | None:
        """The bundle that `consider` would have to fetch; None where it would not come to that."""
        history = self._store.load(network)
        if _fingerprint(payload) in history.rejected:
            return None
        try:
            signed = SignedTable.from_json(parse_object(payload, what="desired table"))
            if history.current is None or history.current.table.digest != signed.table.digest:
                self._check_new(network, signed, history)
            elif self._in_use(network, signed.table):
                return None
        except DynaSplitError:
            return None
        return self._readiness.if_away(signed.table.bundle)

    def away_current(self, network: str) -> str | None:
        """The bundle that `complete` would have to fetch first."""
        current = self._store.load(network).current
        return (
            None
            if current is None or self._in_use(network, current.table)
            else self._readiness.if_away(current.table.bundle)
        )

    def incomplete(self) -> list[str]:
        """Networks whose current table is not in use, as after a start without its bundle."""
        current = {network: self._store.load(network).current for network in self._store.networks()}
        return [network for network, signed in current.items() if signed and not self._in_use(network, signed.table)]

    def complete(self, network: str) -> TableReport | None:
        """Puts the current table to use again, fetching its bundle; the one before where it cannot be used any more. None where
        nothing changed. Raises ServiceMissing as `consider`."""
        return self._resumed(network)

    def consider(self, network: str, payload: bytes) -> TableReport | None:
        """Applies or rejects what was published for a network. None when it was rejected before.

        Raises ServiceMissing when the bundle cannot be fetched or opened now: try again later.
        """
        history = self._store.load(network)
        fingerprint = _fingerprint(payload)
        if fingerprint in history.rejected:
            return None
        report = TableReport(network, digest="", version=0, state=TableState.APPLIED)
        try:
            signed = SignedTable.from_json(parse_object(payload, what="desired table"))
            report = replace(report, digest=signed.table.digest, version=signed.table.version)
            known = history.current is not None and history.current.table.digest == signed.table.digest
            if known and self._in_use(network, signed.table):
                return report
            plan = (
                self._readiness.usable(signed.table)
                if known
                else self._new(network, signed, history, fingerprint=fingerprint)
            )
        except ServiceMissing:
            raise
        except DynaSplitError as error:
            logger.warning("rejected a table for %s: %s", network, error)
            self._store.save(network, history.with_rejected(fingerprint, str(error)))
            return replace(report, state=TableState.REJECTED, reason=str(error))
        if not known:
            history = history.with_current(signed, fingerprint=fingerprint)
            self._store.save(network, history)
        self._apply(plan, history.probation)
        logger.info("applied table %.12s, version %d, for %s", report.digest, report.version, network)
        return report

    def judge(self, network: str) -> TableReport | None:
        """Keeps how a network's new table fares, and goes back to the one before where it failed. None where it did not.

        DiskFull where that cannot be kept.
        """
        history, probation = self._store.load(network), self.probations.of(network)
        if probation is None or history.current is None or history.previous is None:
            return None
        if probation.lost:
            return self._rolled_back(network, history.current.table, history.previous.table, history, probation)
        self._store.save(network, replace(history, probation=None if probation.over else probation))
        if probation.over:
            logger.info("table %.12s has proven itself for %s", history.current.table.digest, network)
            self.probations.end(network)
        return None

    def forget_rejections(self, network: str) -> None:
        """What was rejected for a network is considered anew when it comes again."""
        history = self._store.load(network)
        if history.rejected:
            self._store.save(network, replace(history, rejected={}))

    def _rolled_back(
        self, network: str, failed: Table, before: Table, history: TableHistory, probation: Probation
    ) -> TableReport | None:
        reason = (
            f"table {failed.digest:.12}, version {failed.version}, failed {probation.failed} of its first "
            f"{probation.served + probation.failed} requests: {probation.reason}"
        )
        try:
            plan = self._readiness.usable(before)
        except DynaSplitError as error:
            logger.error("%s; the one before cannot be used any more: %s", reason, error)
            self.probations.end(network)
            return None
        try:
            self._store.save(network, history.with_previous(probation.fingerprint, reason))
        except DiskFull as error:
            logger.error("until the next start the table before is in use again: %s", error)
        self._apply(plan, None)
        logger.warning("%s; version %d serves %s again", reason, before.version, network)
        return TableReport(network, before.digest, before.version, TableState.ROLLED_BACK, reason, failed.digest)

    def _apply(self, plan: Plan, probation: Probation | None) -> None:
        network = plan.table.network
        if probation:
            self.probations.begin(network, plan.table.digest, probation)
        else:
            self.probations.end(network)
        self._networks.apply(plan)

    def _new(self, network: str, signed: SignedTable, history: TableHistory, *, fingerprint: str) -> Plan:
        """A table that was never in use, once the runner has opened its bundle. ServiceMissing when that shall be tried again."""
        self._check_new(network, signed, history)
        plan = self._readiness.checked(signed.table)
        try:
            self._readiness.open(plan)
        except RunnerLost as lost:
            self._lost[fingerprint] += 1
            if self._lost[fingerprint] < _LOST_AT_MOST:
                raise ServiceMissing(f"{lost}; it is opened again later") from lost
            del self._lost[fingerprint]
            raise
        del self._lost[fingerprint]
        return plan

    def _check_new(self, network: str, signed: SignedTable, history: TableHistory) -> None:
        """Conflict and NotAllowed for a table that can never be this device's next."""
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

    def _plan_in_use(self, network: str) -> Plan | None:
        return next((known.plan for known in self._networks.all() if known.name == network), None)

    def _in_use(self, network: str, table: Table) -> bool:
        plan = self._plan_in_use(network)
        return plan is not None and plan.table.digest == table.digest

    def _resumed(self, network: str, *, at_start: bool = False) -> TableReport | None:
        """The current table, or the previous one where the current one cannot be used any more, or now."""
        history = self._store.load(network)
        reason, failed = history.rolled_back, ""
        for signed, probation in ((history.current, history.probation), (history.previous, None)):
            if signed is None:
                continue
            if self._in_use(network, signed.table):
                return None
            try:
                verify(signed, self._trust.public_key)
                self._apply(
                    self._readiness.checked(signed.table, fetch=False)
                    if at_start
                    else self._readiness.usable(signed.table),
                    probation,
                )
            except DynaSplitError as error:
                if not at_start and isinstance(error, ServiceMissing):
                    raise
                logger.warning("table %.12s of %s cannot be used: %s", signed.table.digest, network, error)
                reason, failed = str(error), signed.table.digest
                continue
            state = TableState.ROLLED_BACK if reason else TableState.APPLIED
            return TableReport(network, signed.table.digest, signed.table.version, state, reason, failed)
        return None

    def _before(self, network: str, *, reason: str) -> TableReport | None:
        """The previous table in place of the one in use; None where there is none that can be used."""
        history = self._store.load(network)
        previous = history.previous
        if previous is None or self._in_use(network, previous.table):
            return None
        try:
            verify(previous, self._trust.public_key)
            self._apply(self._readiness.usable(previous.table), None)
        except DynaSplitError as error:
            logger.error("table %.12s of %s cannot be used either: %s", previous.table.digest, network, error)
            return None
        failed = history.current.table.digest if history.current else ""
        before = previous.table
        return TableReport(network, before.digest, before.version, TableState.ROLLED_BACK, reason, failed)


def _fingerprint(payload: bytes) -> str:
    """What a document that was rejected is remembered by."""
    return hashlib.sha256(payload).hexdigest()
