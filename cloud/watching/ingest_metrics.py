"""What ingest counts, and what it lacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from cloud.watching.exposition import BUCKETS_S


class IngestMetrics:
    """Counts of one ingest process. Thread-safe."""

    def __init__(self, *, wall_clock: Callable[[], float] = time.time) -> None:
        self.registry = registry = CollectorRegistry()
        self._wall_clock = wall_clock
        self._oldest_at: float | None = None
        self._away: Mapping[str, Callable[[], bool]] = {}
        told = "Records that were committed, by kind, those that were there already included."
        self._records = Counter("dynasplit_ingest_records", told, ["kind"], registry=registry)
        told = "Messages for which there was no room; their devices send them again."
        self._dropped = Counter("dynasplit_ingest_dropped", told, registry=registry)
        told = "Messages that were committed and could not be acknowledged; their devices send them again."
        self._unacknowledged = Counter("dynasplit_ingest_unacknowledged", told, registry=registry)
        told = "How long a commit took."
        self._commits = Histogram("dynasplit_ingest_commit_seconds", told, buckets=BUCKETS_S, registry=registry)
        told = "When the newest message came in, in seconds since the epoch."
        self._received_at = Gauge("dynasplit_ingest_last_received_timestamp_seconds", told, registry=registry)
        told = "For how long the oldest message that is being written has been here; 0 when none is."
        Gauge("dynasplit_ingest_lag_seconds", told, registry=registry).set_function(self._lag_s)

    def watch_waiting(self, count: Callable[[], int]) -> None:
        """Tells how many records wait for the writer."""
        waiting = Gauge(
            "dynasplit_ingest_waiting_records",
            "Records that wait for the writer; each KiB of a large message counts as one.",
            registry=self.registry,
        )
        waiting.set_function(count)

    def watch_missing(self, *, broker: Callable[[], bool], store: Callable[[], bool]) -> None:
        """Asks these, whenever it is asked, whether broker and store are away."""
        connected = Gauge(
            "dynasplit_ingest_broker_up", "Whether all connections to the broker stand.", registry=self.registry
        )
        connected.set_function(lambda: not broker())
        self._away = {"broker": broker, "store": store}

    def missing(self) -> str:
        """What keeps records from being taken in and acknowledged, for people; nothing when all is there."""
        if not self._away:
            return "ingest has not begun"
        return "; ".join(f"the {name} is away" for name, is_away in self._away.items() if is_away())

    def received(self, at: float) -> None:
        """A message came in, in seconds since the epoch."""
        self._received_at.set(at)

    def dropped(self) -> None:
        """There was no room for a message."""
        self._dropped.inc()

    def unacknowledged(self, messages: int) -> None:
        """So many were committed, and the broker took no word of it."""
        self._unacknowledged.inc(messages)

    def writing(self, oldest_at: float) -> None:
        """What is about to be committed, the oldest of which came in then."""
        self._oldest_at = oldest_at

    def written(self, counts: Mapping[str, int], *, took_s: float) -> None:
        """So many records of each kind were committed, and nothing is left of what was being written."""
        self._oldest_at = None
        self._commits.observe(took_s)
        for kind, count in counts.items():
            self._records.labels(kind).inc(count)

    def given_up(self) -> None:
        """What was being written never will be."""
        self._oldest_at = None

    def _lag_s(self) -> float:
        oldest_at = self._oldest_at
        return 0.0 if oldest_at is None else max(0.0, self._wall_clock() - oldest_at)
