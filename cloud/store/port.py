"""The store: what the cloud keeps. Its subjects have rooms of their own."""

from __future__ import annotations

from typing import Protocol

from cloud.store.audit.port import AuditStore
from cloud.store.bundles.port import BundleStore
from cloud.store.charts.port import ChartStore
from cloud.store.computations.port import ComputationStore
from cloud.store.dead_letters.port import DeadLetterStore
from cloud.store.devices.port import DeviceStore
from cloud.store.drafts.port import DraftStore
from cloud.store.enrolments.port import EnrolmentStore
from cloud.store.jobs.port import JobStore
from cloud.store.records.port import RecordStore
from cloud.store.rollouts.port import RolloutStore
from cloud.store.tables.port import TableStore
from cloud.store.tokens.port import TokenStore
from cloud.store.tries.port import TryStore
from cloud.store.upkeep.port import UpkeepStore


class Store(
    DeviceStore,
    BundleStore,
    DraftStore,
    TableStore,
    RolloutStore,
    ComputationStore,
    RecordStore,
    DeadLetterStore,
    ChartStore,
    UpkeepStore,
    JobStore,
    EnrolmentStore,
    TokenStore,
    TryStore,
    AuditStore,
    Protocol,
):
    """Devices, bundles, drafts, tables, records, what grew old or could not be read of them, jobs and enrolments.

    Thread-safe; several processes may share one database. Every method that changes something has committed when it
    returns. ServiceMissing when the database is away: then nothing was changed, and the caller may try again.
    """

    def ready(self) -> None:
        """Returns when the database can be used."""
        ...

    def close(self) -> None:
        """Lets the connections go."""
        ...
