"""Counts of inferences since this process started, as the statistics extension of the protocol asks for them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any


@dataclass
class _Counts:
    success: int = 0
    success_ns: int = 0
    waited_ns: int = 0
    ran_ns: int = 0
    failed: int = 0
    last_at: float = 0.0


class Statistics:
    """Counts per bundle. Thread-safe; each worker process has its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, _Counts] = {}

    def succeeded(self, digest: str, *, duration_s: float, waited_s: float, ran_s: float, at: float) -> None:
        """An inference was answered, of whose time it waited for its turn, and ran; `at` is wall time in seconds."""
        with self._lock:
            counts = self._counts.setdefault(digest, _Counts())
            counts.success += 1
            counts.success_ns += int(duration_s * 1e9)
            counts.waited_ns += int(waited_s * 1e9)
            counts.ran_ns += int(ran_s * 1e9)
            counts.last_at = at

    def failed(self, digest: str) -> None:
        """An inference was refused or broke."""
        with self._lock:
            self._counts.setdefault(digest, _Counts()).failed += 1

    def of(self, digest: str) -> dict[str, Any]:
        """One entry of `model_stats`, without the model's name; `last_inference` in ms since the epoch."""
        with self._lock:
            counts = self._counts.get(digest, _Counts())
            return {
                "last_inference": int(counts.last_at * 1000),
                "inference_count": counts.success,
                "execution_count": counts.success,
                "inference_stats": {
                    "success": {"count": counts.success, "ns": counts.success_ns},
                    "fail": {"count": counts.failed, "ns": 0},
                    "queue": {"count": counts.success, "ns": counts.waited_ns},
                    "compute_infer": {"count": counts.success, "ns": counts.ran_ns},
                },
            }
