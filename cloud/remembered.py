"""Answers of the store, kept for a moment: the tail endpoint would ask the same at every request."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

from cloud.asking import Asking
from protocol.errors import ServiceMissing

Key = TypeVar("Key")
Value = TypeVar("Value")

_MOST = 4096
_PATIENCE_S = 0.2
"""Of one caller, once: below the deadlines that devices have, above what a store under load takes."""
_FIRST_PATIENCE_S = 2.0
"""Of who cannot be served without an answer."""
_AWAY_S = 1.0


@dataclass(frozen=True)
class _Kept(Generic[Value]):
    """A value, until when nobody asks for it again, and whether the last who did was told nothing."""

    value: Value
    until_s: float
    failed: bool = False


class Remembered(Generic[Key, Value]):
    """Values that are asked for again after `fresh_s`, but served stale while their source is away. Thread-safe.

    None is never kept: what does not exist now may exist at the next request. Who has a stale value waits `patience_s` for its
    source, all together once: a source that neither answers nor refuses holds nobody. One that refused is left alone for
    `_AWAY_S`, and then nobody waits for it until it has answered. Who has no value waits `first_patience_s`.
    """

    def __init__(
        self,
        *,
        fresh_s: float,
        clock: Callable[[], float] = time.monotonic,
        patience_s: float = _PATIENCE_S,
        first_patience_s: float = _FIRST_PATIENCE_S,
    ) -> None:
        self._fresh_s = fresh_s
        self._clock = clock
        self._patience_s = patience_s
        self._first_patience_s = first_patience_s
        self._asking = Asking()
        self._lock = threading.Lock()
        self._values: dict[Key, _Kept[Value]] = {}
        self._forgotten = 0

    def get(self, key: Key, load: Callable[[], Value | None]) -> Value | None:
        """The value of `key`, from `load` where it is not known or not fresh. ServiceMissing where it is not known, and its
        source away."""
        with self._lock:
            known, forgotten = self._values.get(key), self._forgotten
            if known and self._clock() < known.until_s:
                return known.value
        question = partial(self._asked, key, load, forgotten)
        try:
            return self._asking.ask((key, forgotten), question, patience_s=self._patience_with(known))
        except ServiceMissing:
            if known is None:
                raise
            return known.value

    def forget(self) -> None:
        """Everything is asked for again; what is being asked now is not believed any more."""
        with self._lock:
            self._forgotten += 1
            for key, known in self._values.items():
                self._values[key] = _Kept(known.value, until_s=-math.inf)

    def _patience_with(self, known: _Kept[Value] | None) -> float:
        if known is None:
            return self._first_patience_s
        return 0.0 if known.failed else self._patience_s

    def _asked(self, key: Key, load: Callable[[], Value | None], forgotten: int) -> Value | None:
        try:
            value = load()
        except Exception:
            with self._lock:
                if forgotten == self._forgotten and (known := self._values.get(key)):
                    self._values[key] = replace(known, until_s=self._clock() + _AWAY_S, failed=True)
            raise
        with self._lock:
            if forgotten == self._forgotten:
                self._keep(key, value)
        return value

    def _keep(self, key: Key, value: Value | None) -> None:
        if value is None:
            self._values.pop(key, None)
            return
        if len(self._values) >= _MOST:
            self._values.clear()
        self._values[key] = _Kept(value, self._clock() + self._fresh_s)
