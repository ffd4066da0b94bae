"""What the agent's front holds in memory while it serves."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil

_EVERY_S = 0.25


@dataclass
class Memory:
    """Resident bytes of a process by how many requests were answered, looked at four times a second. `front` gives the process
    that runs now."""

    front: Callable[[], psutil.Process]
    answered: Callable[[], int]
    seen: list[tuple[int, int, int]] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Memory:
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(10)

    def growth(self, *, since: int, warm: int) -> float:
        """Of the process that served last: its last tenth of what it answered over the tenth after it was warm, less one."""
        last = self.seen[-1][0]
        mine = [(count, rss) for pid, count, rss in self.seen if pid == last and count >= since + warm]
        tenth = max(1, len(mine) // 10)
        first, end = (statistics.median(rss for _count, rss in part) for part in (mine[:tenth], mine[-tenth:]))
        return end / first - 1

    def _look(self) -> None:
        while not self._ended.wait(_EVERY_S):
            try:
                process = self.front()
                self.seen.append((process.pid, self.answered(), process.memory_info().rss))
            except (psutil.Error, IndexError):  # it was just killed
                continue
