"""Questions to a source that may neither answer nor refuse: nobody waits for it longer than he cares to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from cloud.waiting import about_to_wait
from protocol.errors import ServiceMissing

Value = TypeVar("Value")

_MOST = 64


@dataclass(frozen=True)
class _Question:
    """What is being asked, and since when (`time.monotonic`)."""

    answer: Future[Any]
    began_s: float


class Asking:
    """Asks on threads of its own, the same question once at a time: who asks it meanwhile shares the answer. Thread-safe.

    A thread lives until the source says something; there are at most `most` of them.
    """

    def __init__(self, *, most: int = _MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._under_way: dict[Hashable, _Question] = {}

    def ask(self, key: Hashable, load: Callable[[], Value], *, patience_s: float) -> Value:
        """What `load` gives or raises. ServiceMissing once `patience_s` have passed since the question of `key` began, for all who
        wait for it, and at once for one more question than may be."""
        about_to_wait()
        question = self._question(key, load)
        left_s = question.began_s + patience_s - time.monotonic()
        try:
            return cast(Value, question.answer.result(timeout=max(0.0, left_s)))
        except TimeoutError:
            if question.answer.done():  # it is what the source said
                raise
            raise ServiceMissing(
                f"the store has not answered for {patience_s:g} s: it hangs, or has too much to do"
            ) from None

    def _question(self, key: Hashable, load: Callable[[], Value]) -> _Question:
        """The one that is under way, or a new one."""
        with self._lock:
            if found := self._under_way.get(key):
                return found
            if len(self._under_way) >= self._most:
                raise ServiceMissing(
                    f"{self._most} questions to the store wait for its answer: it hangs, or has too much to do"
                )
            question = self._under_way[key] = _Question(Future(), time.monotonic())
        try:
            threading.Thread(target=self._answer, args=(key, load, question), name="asking", daemon=True).start()
        except RuntimeError as error:
            self._end(key)
            question.answer.set_exception(ServiceMissing(f"the store cannot be asked: {error}"))
        return question

    def _answer(self, key: Hashable, load: Callable[[], Value], question: _Question) -> None:
        try:
            value = load()
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            self._end(key)
            question.answer.set_exception(error)
        else:
            self._end(key)
            question.answer.set_result(value)

    def _end(self, key: Hashable) -> None:
        """Before the answer is told: who asks after it was, asks anew."""
        with self._lock:
            del self._under_way[key]
