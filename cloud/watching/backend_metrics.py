"""What the backend counts of the requests that it serves."""

from __future__ import annotations

import math
import re
from functools import partial

from prometheus_client import Counter, Gauge, Histogram

from cloud.watching.exposition import BUCKETS_S, BoundedLabels, Series, new_registry

_MOST_TAILS = 200
_OF_TAIL = ("network", "cut")


class BackendMetrics:
    """Counts of one app. Thread-safe, and cheap enough for every request."""

    def __init__(self) -> None:
        self.registry = registry = new_registry()
        count, times = partial(Counter, registry=registry), partial(Histogram, registry=registry)
        self._tails = BoundedLabels(_MOST_TAILS)
        self._requests = Series(count("dynasplit_requests", "Requests by endpoint and status.", ["endpoint", "status"]))
        told = "From the last byte of a request to its answer, by network and cut."
        self._inferences = Series(times("dynasplit_inference_seconds", told, _OF_TAIL, buckets=BUCKETS_S))
        told = "How long the tail itself ran, by network and cut."
        self._tails_ran = Series(times("dynasplit_tail_seconds", told, _OF_TAIL, buckets=BUCKETS_S))
        told = "How long tails waited for their turn."
        self._waited = times("dynasplit_queue_wait_seconds", told, buckets=(0.0001, *BUCKETS_S))
        told = "How long a tail that came now would wait for its turn, in the worker process with the longest line."
        self._queue = Gauge("dynasplit_queue_seconds", told, multiprocess_mode="livemax", registry=registry)
        self._queue_s = math.nan
        told = "Inferences that got no outputs, by reason."
        self._refused = Series(count("dynasplit_inferences_refused", told, ["reason"]))
        told = "Energy of this node that was told to callers, by provenance."
        self._joules = Series(count("dynasplit_node_joules", told, ["provenance"]))

    def answered(self, endpoint: str, status: int) -> None:
        """A request to an endpoint of the app ("none": to no endpoint) was answered."""
        self._requests.of(endpoint, str(status)).inc()

    def inferred(self, network: str, cut: int, *, took_s: float, waited_s: float, ran_s: float) -> None:
        """An inference was answered with outputs."""
        tail = self._tails.of((network, str(cut)))
        self._inferences.of(*tail).observe(took_s)
        self._tails_ran.of(*tail).observe(ran_s)
        self._waited.observe(waited_s)

    def refused(self, error: Exception) -> None:
        """An inference was refused, or broke."""
        self._refused.of(reason_of(error)).inc()

    def spent(self, node_mj: float, provenance: str) -> None:
        """What a caller was told that the node spent on it."""
        self._joules.of(provenance).inc(max(0.0, node_mj) / 1e3)

    def queue(self, wait_s: float) -> None:
        """How long one that comes now would wait in this process."""
        if wait_s != self._queue_s:
            self._queue.set(wait_s)
            self._queue_s = wait_s


def reason_of(error: Exception) -> str:
    """The error's name as Prometheus writes names: `deadline_hopeless`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(error).__name__).lower()
