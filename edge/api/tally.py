"""How many requests each network has answered, and in what time: the protocol's statistics."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any


@dataclass
class _Counts:
    served: int = 0
    served_ns: int = 0
    queued_ns: int = 0
    ran_ns: int = 0
    failed: int = 0
    failed_ns: int = 0
    last_ms: int = 0


class Tally:
    """Counters since the start, by network. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: defaultdict[str, _Counts] = defaultdict(_Counts)

    def served(self, network: str, took_s: float, *, queued_s: float, ran_s: float) -> None:
        """A request was answered, of whose time it waited for its turn, and ran, on the device and in the cloud."""
        with self._lock:
            counts = self._counts[network]
            counts.served += 1
            counts.served_ns += int(took_s * 1e9)
            counts.queued_ns += int(queued_s * 1e9)
            counts.ran_ns += int(ran_s * 1e9)
            counts.last_ms = int(time.time() * 1e3)

    def failed(self, network: str, took_s: float) -> None:
        with self._lock:
            counts = self._counts[network]
            counts.failed += 1
            counts.failed_ns += int(took_s * 1e9)

    def to_json(self, network: str) -> dict[str, Any]:
        """One entry of `model_stats` (Triton's statistics extension)."""
        with self._lock:
            counts = self._counts[network]
            return {
                "name": network,
                "version": "1",
                "last_inference": counts.last_ms,
                "inference_count": counts.served,
                "execution_count": counts.served,
                "inference_stats": {
                    "success": {"count": counts.served, "ns": counts.served_ns},
                    "fail": {"count": counts.failed, "ns": counts.failed_ns},
                    "queue": {"count": counts.served, "ns": counts.queued_ns},
                    "compute_infer": {"count": counts.served, "ns": counts.ran_ns},
                },
            }
