"""How the requests went since the agent's start, in few figures."""

from __future__ import annotations

import statistics
import threading
from collections import deque

from protocol.messages import Inference
from protocol.state import RequestState

_LATEST = 100


class RecentRequests:
    """Counts requests, and keeps the latencies of the latest 100 answers. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latencies_ms: deque[float] = deque(maxlen=_LATEST)
        self._count = 0
        self._violations = 0

    def note(self, inference: Inference) -> None:
        with self._lock:
            self._count += 1
            self._violations += inference.violation
            if inference.cost is not None:
                self._latencies_ms.append(inference.cost.latency_ms)

    @property
    def state(self) -> RequestState:
        with self._lock:
            latencies_ms = list(self._latencies_ms)
            count, violations = self._count, self._violations
        if not latencies_ms:
            return RequestState(count, violations)
        return RequestState(count, violations, latencies_ms[-1], statistics.median(latencies_ms))
