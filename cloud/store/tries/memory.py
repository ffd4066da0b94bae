"""Wrong tries in memory."""

from __future__ import annotations

import threading

from cloud.store.tries.port import FORGOTTEN_S


class MemoryTries:
    """A `TryStore` that forgets everything with its process."""

    def __init__(self) -> None:
        super().__init__()
        self._tries_lock = threading.Lock()
        self._tries: dict[tuple[str, str], tuple[int, float]] = {}

    def note_wrong_try(self, of: str, peer: str, *, at: float, window_s: float) -> None:
        with self._tries_lock:
            self._tries = {key: value for key, value in self._tries.items() if value[1] >= at - FORGOTTEN_S}
            count, since = self._tries.get((of, peer), (0, at))
            self._tries[of, peer] = (1, at) if since < at - window_s else (count + 1, since)

    def wrong_tries(self, of: str, peer: str, *, since: float) -> int:
        with self._tries_lock:
            count, began = self._tries.get((of, peer), (0, since))
            return count if began >= since else 0
