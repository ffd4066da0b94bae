"""Threads that serve requests, and how many requests they may have."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor


class Threads(ThreadPoolExecutor):
    """`count` threads, and as many as `waiting` requests that wait for one. Counted by the event loop's thread alone."""

    def __init__(self, count: int, *, waiting: int) -> None:
        super().__init__(max_workers=count)
        self._most = count + waiting
        self.under_way = 0

    @property
    def is_full(self) -> bool:
        """Whether as many are served, or wait for it, as may."""
        return self.under_way >= self._most
