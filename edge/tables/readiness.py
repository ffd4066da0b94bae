"""Whether this device can run a table, and getting ready for it: its bundle here, its rows possible, its runners open."""

from __future__ import annotations

import logging
from typing import Protocol

from edge.device.capabilities import Capabilities
from edge.runners.port import RunnerLost
from edge.tables.bundles import BundleStore
from edge.tables.networks import Plan
from models.bundle import Bundle
from planner.choosing.limits import Limits
from protocol.errors import BundleMismatch, DynaSplitError, InvalidInput, NotFound, ServiceMissing
from protocol.table import Table

logger = logging.getLogger(__name__)


class Warmer(Protocol):
    """Opens a bundle where it will run, so that it is known to run there before a table that needs it is applied."""

    def __call__(self, bundle: Bundle, threads: int) -> None:
        """Raises a DynaSplitError when the bundle cannot be opened; RunnerLost may be of no fault of its own."""
        ...


class Readiness:
    """Makes plans of tables that this device can run, within its limits. `fetch` may be called from any thread."""

    def __init__(self, bundles: BundleStore, *, capabilities: Capabilities, limits: Limits, warm: Warmer) -> None:
        self._bundles = bundles
        self._capabilities = capabilities
        self._limits = limits
        self._warm = warm

    def fetch(self, digest: str) -> None:
        """Has a bundle here; may take hours. Errors as `BundleStore.get`."""
        self._bundles.get(digest)

    def if_away(self, digest: str) -> str | None:
        """The digest, when its bundle is not here and would have to be fetched."""
        try:
            self._bundles.here(digest)
        except ServiceMissing:
            return digest
        except DynaSplitError:
            return None
        return None

    def checked(self, table: Table, *, fetch: bool = True) -> Plan:
        """The table with its bundle, every row of which this device can run, and one of which it may."""
        bundle = self._bundles.get(table.bundle) if fetch else self._bundles.here(table.bundle)
        if bundle.manifest.network != table.network:
            raise BundleMismatch(f"bundle {table.bundle:.12} holds {bundle.manifest.network}, not {table.network}")
        for row in table.rows:
            try:
                self._capabilities.check(row.configuration, bundle.manifest)
            except (InvalidInput, NotFound) as error:
                raise InvalidInput(f"row '{row.configuration}': {error}") from error
        plan = Plan.of(table, bundle)
        self._limits.check_table(plan.candidates.parts)
        return plan

    def usable(self, table: Table) -> Plan:
        """A table that was in use before."""
        plan = self.checked(table)
        self.open_known(plan)
        return plan

    def open(self, plan: Plan) -> None:
        """Opens the bundle for every number of threads that the table wants."""
        for threads in sorted({row.configuration.threads for row in plan.table.rows}):
            self._warm(plan.bundle, threads)

    def open_known(self, plan: Plan) -> None:
        """Where the runner dies now, a known table's next requests open the bundle."""
        try:
            self.open(plan)
        except RunnerLost as lost:
            logger.warning("table %.12s of %s is used nevertheless: %s", plan.table.digest, plan.table.network, lost)
