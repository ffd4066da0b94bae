"""Callers who stay: each sends its requests one after the other, and again when the agent itself was away."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from protocol.errors import DynaSplitError, Overloaded, ServiceMissing
from protocol.tensors import Tensor
from tools.agent import Agent, Answer

_DEADLINES_MS = (15.0, 40.0, 90.0, 250.0, None)
_PATIENCE_S = 60.0
_AGAIN_S = 0.05


@dataclass
class Heard:
    """What came of the requests: answers by the tag of the attempt that was answered, and the tags of those that broke."""

    answered: dict[str, Answer] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def count(self) -> int:
        return len(self.answered)


class Callers:
    """`count` threads that together send `requests`; each attempt is tagged `<name>-<request>-<attempt>`."""

    def __init__(
        self, client: Callable[[], Agent], network: str, tensors: list[Tensor], *, requests: int, count: int, seed: int
    ) -> None:
        self.heard = Heard()
        self._client = client
        self._network = network
        self._tensors = tensors
        self._left = iter(range(requests))
        self._seed = seed
        self._next = threading.Lock()
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(count)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self, deadline_s: float) -> None:
        end_s = time.monotonic() + deadline_s
        for thread in self._threads:
            thread.join(max(0.0, end_s - time.monotonic()))
            assert not thread.is_alive(), f"callers still wait; {self.heard.count} were answered"

    def _call(self) -> None:
        agent = self._client()
        while True:
            with self._next:
                number = next(self._left, None)
            if number is None:
                agent.close()
                return
            self._until_answered(agent, number)

    def _until_answered(self, agent: Agent, number: int) -> None:
        """A caller whose connection broke, or who was told to come back, comes back."""
        deadline_ms = random.Random(self._seed + number).choice(_DEADLINES_MS)
        asked = {} if deadline_ms is None else {"deadline_ms": deadline_ms}
        tensor = self._tensors[number % len(self._tensors)]
        end_s, attempt = time.monotonic() + _PATIENCE_S, 0
        while time.monotonic() < end_s:
            attempt += 1
            tag = f"soak-{number}-{attempt}"
            try:
                answer = agent.infer(self._network, [tensor], {**asked, "run": tag})
            except Overloaded:
                self._note(self.heard.refused, tag)
            except ServiceMissing:
                self._note(self.heard.broken, tag)
            except DynaSplitError as error:
                self._note(self.heard.lost, f"{tag}: {error}")
                return
            else:
                with self.heard.lock:
                    self.heard.answered[tag] = answer
                return
            time.sleep(_AGAIN_S)
        self._note(self.heard.lost, f"request {number}: no answer within {_PATIENCE_S:g} s")

    def _note(self, place: list[str], what: str) -> None:
        with self.heard.lock:
            place.append(what)
