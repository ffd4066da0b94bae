"""What waits for the writer: a queue that is bounded by what it holds, not by how many messages that came in."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Waiting(Generic[Item]):
    """First in, first out, up to `most` in weight; thread-safe. One thread takes out."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._items: deque[tuple[Item, int]] = deque()
        self._weight = 0
        self._ended = False
        self._changed = threading.Condition()

    @property
    def weight(self) -> int:
        """Of all that waits."""
        return self._weight

    @property
    def ended(self) -> bool:
        """Whether `end` was called and nothing is left."""
        with self._changed:
            return self._ended and not self._items

    def put(self, item: Item, *, weight: int, patience_s: float = 0.0) -> bool:
        """False when there was no room for it within `patience_s`, or the end was called."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._fits(weight), patience_s)
            if self._ended or not self._fits(weight):
                return False
            self._items.append((item, weight))
            self._weight += weight
            self._changed.notify_all()
        return True

    def gather(self, *, first_within_s: float, then_within_s: float, weight: int) -> list[Item]:
        """What waits, up to about `weight`: the first item may take so long to come, the others so long after it.

        Nothing when the first did not come in time. The end cuts the waiting short.
        """
        gathered: list[Item] = []
        deadline = time.monotonic() + first_within_s
        left = weight
        while left > 0 and (taken := self._take(deadline - time.monotonic())):
            if not gathered:
                deadline = time.monotonic() + then_within_s
            gathered.append(taken[0])
            left -= taken[1]
        return gathered

    def end(self) -> None:
        """Nothing more is taken in."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _fits(self, weight: int) -> bool:
        """A single item always does: it may be heavier than all that there is room for."""
        return not self._items or self._weight + weight <= self._most

    def _take(self, within_s: float) -> tuple[Item, int] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended, max(within_s, 0.0))
            if not self._items:
                return None
            taken = self._items.popleft()
            self._weight -= taken[1]
            self._changed.notify_all()
        return taken
