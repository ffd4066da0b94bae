"""Answers of the store, kept for a moment: the tail endpoint would ask the same at every request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from protocol.errors import ServiceMissing

Key = TypeVar("Key")
Value = TypeVar("Value")

_MOST = 4096


class Remembered(Generic[Key, Value]):
    """Values that are asked for again after `fresh_s`, but served stale while their source is away. Thread-safe.

    None is never kept: what does not exist now may exist at the next request.
    """

    def __init__(self, *, fresh_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._fresh_s = fresh_s
        self._clock = clock
        self._lock = threading.Lock()
        self._values: dict[Key, tuple[float, Value]] = {}

    def get(self, key: Key, load: Callable[[], Value | None]) -> Value | None:
        """The value of `key`, from `load` where it is not known or not fresh."""
        with self._lock:
            known = self._values.get(key)
        if known and self._clock() - known[0] < self._fresh_s:
            return known[1]
        try:
            value = load()
        except ServiceMissing:
            if known:
                return known[1]
            raise
        self._keep(key, value)
        return value

    def forget(self) -> None:
        """Everything is asked for again."""
        with self._lock:
            self._values.clear()

    def _keep(self, key: Key, value: Value | None) -> None:
        with self._lock:
            if value is None:
                self._values.pop(key, None)
                return
            if len(self._values) >= _MOST:
                self._values.clear()
            self._values[key] = (self._clock(), value)
