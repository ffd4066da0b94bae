"""Computes drafts of tables from stored measurements, as `dynasplit optimize` does from the same ones."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from cloud.store.computations.port import Computation, ComputationState, TableOrder
from cloud.store.jobs.port import StoredJob
from cloud.store.port import Store
from cloud.store.records.port import Selection
from planner.farthest import naming_the_farthest
from planner.findings import Findings, Wanted, findings
from planner.recording import Content, recorded
from protocol.configuration import Account
from protocol.errors import Conflict, DynaSplitError, InvalidInput, NotFound, ServiceMissing
from protocol.table import Table

logger = logging.getLogger(__name__)

_LEASE_S = 30.0
"""For so long nobody takes up what a process left behind; one that computes renews it."""
_RENEWED_S = 10.0
_MOST_ATTEMPTS = 3
_UNDERWAY_S = 60.0
_MOST_MEASUREMENTS = 50_000
"""More are not worth the wait: the medians of a few per configuration say the same."""


def ask(store: Store, order: TableOrder, *, at: float) -> Computation:
    """Keeps an order; who computes finds it. The newest bundle stands in where none is named.

    NotFound when the bundle is not here or nothing was measured with it on the device; Conflict while the job whose
    measurements are asked for goes on.
    """
    order, job = replace(order, bundle=_bundle(store, order)), _job(store, order)
    if job and not job.state.final:
        raise Conflict(f"job {job.job.id} of {order.device} is {job.state.value}: wait for its end")
    if not (job and job.done) and next(store.measurements(_selection(order)), None) is None:
        tagged = f" with tag {order.run:.64}" if order.run else ""
        raise NotFound(
            f"there are no measurements of {order.network} (bundle {order.bundle:.12}) on {order.device}{tagged}; "
            "have the device profile it first: dynasplit job profile"
        )
    computation = Computation(uuid.uuid4().hex, order, created_at=at)
    store.add_computation(computation)
    return computation


def compute(store: Store, order: TableOrder, *, most: int = _MOST_MEASUREMENTS) -> tuple[list[Table], dict[str, Any]]:
    """A table for each device, and facts about the measurements. InvalidInput for measurements that make no table."""
    filters = {name: getattr(order, name) for name in ("network", "device", "bundle", "run")}
    found = recorded(_contents(store, order, most=most), filters, skip_bad=order.skip_bad)
    wanted = Wanted(Account.EDGE_NODE, partial=order.partial or found.sampled, trust_all=order.trust_all)
    with naming_the_farthest(found.measurements, found.where):
        result = findings(found.measurements, found.space, wanted)
    tables = [replace(result.table, device=device) for device in order.devices]
    return tables, _facts(result, skipped=len(found.skipped))


class Computing:
    """Works the orders off, one at a time. Several processes may; what one left behind another takes up."""

    def __init__(self, store: Store, *, wall_clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._wall_clock = wall_clock

    def look(self) -> None:
        """Computes what waits. ServiceMissing when the store is away."""
        for computation in self._store.unfinished_computations():
            at = self._wall_clock()
            if at - computation.created_at < _UNDERWAY_S and _underway(self._store, computation.order):
                continue
            claim = _claimed(computation, at=at)
            if claim and self._store.save_computation(claim) and not claim.state.final:
                self._compute(self._store.computation(claim.id))

    def _compute(self, claim: Computation) -> None:
        renewing = Renewing(self._store, claim, wall_clock=self._wall_clock)
        renewing.start()
        try:
            ended = self._outcome(claim)
        finally:
            latest = renewing.stop()
        logger.info("computation %s of %s: %s %s", claim.id, claim.order.network, ended.state.value, ended.reason)
        self._store.save_computation(replace(ended, revision=latest.revision, ended_at=self._wall_clock()))

    def _outcome(self, claim: Computation) -> Computation:
        try:
            tables, facts = compute(self._store, claim.order)
            for table in tables:
                self._store.add_draft(table, at=self._wall_clock())
        except ServiceMissing:
            raise
        except DynaSplitError as error:
            logger.debug("computation %s fails", claim.id, exc_info=error)
            return replace(claim, state=ComputationState.FAILED, reason=str(error))
        except (
            Exception
        ) as error:  # outermost for one order: it must not be begun for ever, nor hold up those behind it
            logger.exception("computation %s of %s stumbled", claim.id, claim.order.network)
            reason = f"it could not be computed: {type(error).__name__}: {error!s:.200}; the log of ingest says where"
            return replace(claim, state=ComputationState.FAILED, reason=reason)
        drafts = {table.device: table.digest for table in tables}
        return replace(claim, state=ComputationState.SUCCEEDED, drafts=drafts, facts=facts)


class Renewing:
    """Renews a claim on a computation, on a thread of its own, from its start until it is stopped.

    One that another process has taken up meanwhile is not renewed; what is saved of it then changes nothing.
    """

    def __init__(
        self,
        store: Store,
        claim: Computation,
        *,
        wall_clock: Callable[[], float],
        every_s: float = _RENEWED_S,
    ) -> None:
        self._store = store
        self._claim = claim
        self._wall_clock = wall_clock
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="renewing a claim", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> Computation:
        """The claim as it was saved last."""
        self._stopping.set()
        self._thread.join()
        return self._claim

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s) and self.once():
            pass

    def once(self) -> bool:
        """Renews it now; False where it is another's by now. A store that is away is asked again."""
        renewed = replace(self._claim, claimed_until=self._wall_clock() + _LEASE_S)
        try:
            if not self._store.save_computation(renewed):
                return False
        except ServiceMissing as error:
            logger.debug("the claim on computation %s is renewed later: %s", renewed.id, error)
        else:
            self._claim = replace(renewed, revision=renewed.revision + 1)
        return True


def _claimed(computation: Computation, *, at: float) -> Computation | None:
    """The computation as this process takes it up; ended, where all who tried were lost. None while another one is at it."""
    if computation.claimed_until > at:
        return None
    if computation.attempts >= _MOST_ATTEMPTS:
        reason = f"it was begun {computation.attempts} times and never ended; have fewer measurements composed"
        return replace(computation, state=ComputationState.FAILED, reason=reason, ended_at=at)
    return replace(
        computation,
        state=ComputationState.RUNNING,
        attempts=computation.attempts + 1,
        claimed_until=at + _LEASE_S,
    )


def _job(store: Store, order: TableOrder) -> StoredJob | None:
    """The job whose measurements are asked for, where they are those of one."""
    return next((each for each in store.jobs(order.device) if order.run and each.job.run == order.run), None)


def _underway(store: Store, order: TableOrder) -> bool:
    """Whether the job says that more was measured than has come in: measurements travel apart from the job's own news."""
    job = _job(store, order)
    return job is not None and store.count_measurements(_selection(order)) < job.done


def _bundle(store: Store, order: TableOrder) -> str:
    known = [bundle for bundle in store.bundles() if bundle.network == order.network]
    if not known:
        raise NotFound(f"there is no bundle of network '{order.network}' here; upload one: dynasplit job profile")
    if not order.bundle:
        return max(known, key=lambda bundle: bundle.version).digest
    if order.bundle not in (bundle.digest for bundle in known):
        raise NotFound(f"network '{order.network}' has no bundle {order.bundle:.64} here")
    return order.bundle


def _selection(order: TableOrder) -> Selection:
    return Selection(device=order.device, network=order.network, bundle=order.bundle, run=order.run or None)


def _contents(store: Store, order: TableOrder, *, most: int) -> Iterator[tuple[str, Content]]:
    for number, kept in enumerate(store.measurements(_selection(order)), start=1):
        if number > most:
            raise InvalidInput(
                f"there are more than {most} measurements of {order.network} on {order.device}: choose those of one run"
            )
        yield f"measurement {kept.sequence} of {kept.device}, boot {kept.boot}", kept.body


def _facts(found: Findings, *, skipped: int) -> dict[str, Any]:
    return {
        "measurements": len(found.measurements),
        "measured": len(found.measured),
        "throttled": found.throttled,
        "suspects": len(found.suspects),
        "skipped": skipped,
        "space": found.space.size,
        "left_out": found.space.size - len(found.rows),
        "rows": len(found.table.rows),
    }
