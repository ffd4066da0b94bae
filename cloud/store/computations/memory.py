"""Computations in memory."""

from __future__ import annotations

import threading
from dataclasses import replace

from cloud.store.computations.port import Computation, computation_unknown


class MemoryComputations:
    """A `ComputationStore` that forgets everything with its process."""

    def __init__(self) -> None:
        super().__init__()
        self._computations_lock = threading.Lock()
        self._computations: dict[str, Computation] = {}

    def add_computation(self, computation: Computation) -> None:
        with self._computations_lock:
            self._computations[computation.id] = computation

    def computation(self, computation_id: str) -> Computation:
        with self._computations_lock:
            if computation_id not in self._computations:
                raise computation_unknown(computation_id)
            return self._computations[computation_id]

    def unfinished_computations(self) -> list[Computation]:
        with self._computations_lock:
            found = [each for each in self._computations.values() if not each.state.final]
        return sorted(found, key=lambda each: (each.created_at, each.id))

    def save_computation(self, computation: Computation) -> bool:
        with self._computations_lock:
            known = self._computations.get(computation.id)
            if known is None or known.revision != computation.revision:
                return False
            self._computations[computation.id] = replace(computation, revision=computation.revision + 1)
            return True
