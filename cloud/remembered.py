"""Answers of the store, kept for a moment: the tail endpoint would ask the same at every request."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from protocol.errors import ServiceMissing

Key = TypeVar("Key")
Value = TypeVar("Value")

_MOST = 4096
_PATIENCE_S = 0.2
"""Of one caller, once: below the deadlines that devices have, above what a store under load takes."""
_AWAY_S = 1.0


@dataclass(frozen=True)
class _Kept(Generic[Value]):
    """A value, and until when nobody asks for it again."""

    value: Value
    until_s: float


@dataclass(frozen=True)
class _Question(Generic[Value]):
    """What the source was asked, and until when others wait for it (`time.monotonic`)."""

    answer: Future[Value | None]
    until_s: float


class Remembered(Generic[Key, Value]):
    """Values that are asked for again after `fresh_s`, but served stale while their source is away. Thread-safe.

    None is never kept: what does not exist now may exist at the next request. Who has a stale value waits `patience_s` for its
    source, all together once: a source that neither answers nor refuses holds nobody. One that refused is left alone for
    `_AWAY_S`.
    """

    def __init__(
        self, *, fresh_s: float, clock: Callable[[], float] = time.monotonic, patience_s: float = _PATIENCE_S
    ) -> None:
        self._fresh_s = fresh_s
        self._clock = clock
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._values: dict[Key, _Kept[Value]] = {}
        self._asked: dict[Key, _Question[Value]] = {}

    def get(self, key: Key, load: Callable[[], Value | None]) -> Value | None:
        """The value of `key`, from `load` where it is not known or not fresh."""
        with self._lock:
            known = self._values.get(key)
            if known and self._clock() < known.until_s:
                return known.value
            question = self._question(key, load) if known else None
        if known is None or question is None:
            value = load()
            with self._lock:
                self._keep(key, value)
            return value
        try:
            return question.answer.result(timeout=max(0.0, question.until_s - time.monotonic()))
        except (ServiceMissing, TimeoutError):
            return known.value

    def forget(self) -> None:
        """Everything is asked for again."""
        with self._lock:
            self._asked.clear()
            for key, known in self._values.items():
                self._values[key] = _Kept(known.value, until_s=-math.inf)

    def _question(self, key: Key, load: Callable[[], Value | None]) -> _Question[Value]:
        """The one that is under way, or a new one."""
        question = self._asked.get(key)
        if question is None:
            question = self._asked[key] = _Question(Future(), time.monotonic() + self._patience_s)
            threading.Thread(target=self._ask, args=(key, load, question), name="remembered", daemon=True).start()
        return question

    def _ask(self, key: Key, load: Callable[[], Value | None], question: _Question[Value]) -> None:
        try:
            value = load()
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            self._done(key, question)
            question.answer.set_exception(error)
            return
        self._done(key, question, value=value, answered=True)
        question.answer.set_result(value)

    def _done(
        self, key: Key, question: _Question[Value], *, value: Value | None = None, answered: bool = False
    ) -> None:
        with self._lock:
            if self._asked.get(key) is not question:  # forgotten meanwhile: what it found may be old
                return
            del self._asked[key]
            if answered:
                self._keep(key, value)
            elif key in self._values:
                self._values[key] = _Kept(self._values[key].value, self._clock() + _AWAY_S)

    def _keep(self, key: Key, value: Value | None) -> None:
        if value is None:
            self._values.pop(key, None)
            return
        if len(self._values) >= _MOST:
            self._values.clear()
        self._values[key] = _Kept(value, self._clock() + self._fresh_s)
