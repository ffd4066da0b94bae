"""Probation: how a new table fares in its first requests, so that one that fails them makes way for the one before."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from edge.runners.port import RunnerLost
from models.running.runner import RunnerFailed
from protocol.configuration import Configuration, EdgeAccelerator
from protocol.documents import field
from protocol.errors import DynaSplitError

REQUESTS = 5
FAILURES = 2
"""One failure may be an accident, of which the table knows nothing; two of five are not."""


@dataclass(frozen=True)
class Probation:
    """Of a new table's first requests so many were `served` and so many `failed`, the last for `reason`.

    `fingerprint` is the signed document's, as in `TableHistory.rejected`.
    """

    fingerprint: str
    served: int = 0
    failed: int = 0
    reason: str = ""

    @property
    def lost(self) -> bool:
        return self.failed >= FAILURES

    @property
    def over(self) -> bool:
        return self.lost or self.served + self.failed >= REQUESTS

    def after(self, error: DynaSplitError | None) -> Probation:
        """With one request more."""
        if error is None:
            return replace(self, served=self.served + 1)
        return replace(self, failed=self.failed + 1, reason=str(error))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any], *, what: str) -> Probation:
        texts = {name: field(content, name, str, what=what) for name in ("fingerprint", "reason")}
        return cls(**texts, **{name: field(content, name, int, what=what) for name in ("served", "failed")})


class Probations:
    """Hears how each request went, and counts those of tables on probation. Thread-safe.

    `listen` gives whom to call, on the thread of the request, with the network whose table failed one or has had its
    first requests.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_table: dict[str, tuple[str, Probation]] = {}
        self._listener: Callable[[str], None] = lambda _: None

    def listen(self, listener: Callable[[str], None]) -> None:
        self._listener = listener

    def begin(self, network: str, table_digest: str, probation: Probation) -> None:
        """Watches a network's table from here on, in place of any other."""
        with self._lock:
            self._forget(network)
            self._by_table[table_digest] = (network, probation)

    def end(self, network: str) -> None:
        """Watches none of the network's tables any more."""
        with self._lock:
            self._forget(network)

    def of(self, network: str) -> Probation | None:
        """How the network's table fares, while it is on probation."""
        with self._lock:
            return next((found for name, found in self._by_table.values() if name == network), None)

    def outcome(self, table_digest: str, configuration: Configuration, error: DynaSplitError | None) -> None:
        """A request came to its end by a row of this table; `error` is what kept the device from running it.

        Only what the runner did wrong counts against a table, and only on the CPU: an accelerator has a health of its own, a
        clock that is not reached is left to others, and nobody's table makes a cloud fail.
        """
        if table_digest not in self._by_table or (error and not _counts(configuration, error)):
            return
        with self._lock:
            network, before = self._by_table.get(table_digest, ("", None))
            if before is None or before.over:
                return
            probation = before.after(error)
            self._by_table[table_digest] = (network, probation)
        if error or probation.over:
            self._listener(network)

    def _forget(self, network: str) -> None:
        self._by_table = {digest: pair for digest, pair in self._by_table.items() if pair[0] != network}


def _counts(configuration: Configuration, error: DynaSplitError) -> bool:
    on_cpu = configuration.edge_accelerator is EdgeAccelerator.OFF
    return on_cpu and isinstance(error, (RunnerLost, RunnerFailed))
