"""The networks that the agent serves, each with its bundle and, once one was applied, its table."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from edge.tables.probation import Probations
from models.bundle import Bundle
from planner.choosing.candidates import Candidates
from protocol.errors import Conflict, NotFound
from protocol.table import Table


@dataclass(frozen=True, eq=False)
class Plan:
    """A table ready for use: its bundle, its rows with their columns read once, and about what the tail after each cut
    would take on the device, should the cloud fail."""

    table: Table
    bundle: Bundle
    candidates: Candidates
    tail_ms: Mapping[int, float]

    @classmethod
    def of(cls, table: Table, bundle: Bundle) -> Plan:
        return cls(table, bundle, Candidates.of(table.rows, table.link), _tails_ms(table, bundle))


def _tails_ms(table: Table, bundle: Bundle) -> dict[int, float]:
    """The tail's share of the multiply-accumulates, of the fastest edge-only row's time; 0 where there is no such row."""
    whole_ms = min((row.head_ms for row in table.rows if not row.uses_cloud), default=0.0)
    manifest = bundle.manifest
    macs = max(manifest.head_work(manifest.operator_count).total_macs, 1)
    cuts = {row.configuration.cut for row in table.rows}
    return {cut: whole_ms * manifest.tail_work(cut).total_macs / macs for cut in cuts}


@dataclass(frozen=True, eq=False)
class Network:
    """A network as one request sees it, from its start to its end. `bundle` is the latest that was loaded or applied."""

    name: str
    bundle: Bundle
    plan: Plan | None = None

    def bundle_for(self, *, pinned: bool) -> Bundle:
        """A pinned configuration runs on the latest bundle, all else on the table's."""
        return self.bundle if pinned or self.plan is None else self.plan.bundle

    def describe(self) -> dict[str, Any]:
        """What the agent says about it."""
        table = self.plan.table if self.plan else None
        return {
            "bundle": self.bundle.digest,
            "table": table.digest if table else "",
            "table_version": table.version if table else 0,
        }


class Networks:
    """Networks by name. Each is replaced as a whole, so a request that has one keeps what it began with. Thread-safe.

    `probations` hears how requests went by their tables.
    """

    def __init__(self) -> None:
        self.probations = Probations()
        self._lock = threading.Lock()
        self._by_name: dict[str, Network] = {}
        self._listeners: list[Callable[[], None]] = []

    def get(self, name: str) -> Network:
        try:
            return self._by_name[name]
        except KeyError as error:
            here = ", ".join(sorted(self._by_name)) or "none yet: push a table (dynasplit push)"
            raise NotFound(f"network {name!r:.80} is not on this device; there are: {here}") from error

    def all(self) -> list[Network]:
        with self._lock:
            return [self._by_name[name] for name in sorted(self._by_name)]

    def load(self, bundle: Bundle) -> None:
        """Serves a bundle under its network's name; a table that is in use stays in use with its own bundle."""
        name = bundle.manifest.network
        with self._lock:
            known = self._by_name.get(name)
            self._by_name[name] = replace(known, bundle=bundle) if known else Network(name, bundle)
        self._tell()

    def apply(self, plan: Plan) -> None:
        """Serves a network by a table from the next request on."""
        name = plan.table.network
        with self._lock:
            self._by_name[name] = Network(name, plan.bundle, plan)
        self._tell()

    def unload(self, name: str) -> None:
        """Forgets a loaded bundle; Conflict while a table serves the network."""
        network = self.get(name)
        if network.plan:
            raise Conflict(
                f"network {name} is served by table {network.plan.table.digest:.12}; push another one instead"
            )
        with self._lock:
            self._by_name.pop(name, None)
        self._tell()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Calls back after each change, on the thread that made it."""
        self._listeners.append(listener)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
