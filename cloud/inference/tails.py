"""Running tails: one runner per bundle, opened when it is first needed, a bounded number at a time."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

from cloud.bundles.files import BundleFiles
from models.bundle import Bundle
from models.running.runner import Runner
from protocol.errors import BundleBroken, DeadlineHopeless, ServiceMissing
from protocol.tensors import Array

logger = logging.getLogger(__name__)

OpenRunner = Callable[[Bundle], Runner]


class Tails:
    """Runs tails of stored bundles. Thread-safe: the calls of one bundle take turns.

    At most `most_open` bundles stay open; the one that was used least recently is closed for another.
    """

    def __init__(self, bundles: BundleFiles, *, open_runner: OpenRunner, most_open: int) -> None:
        self._bundles = bundles
        self._open_runner = open_runner
        self._most_open = most_open
        self._lock = threading.Lock()
        self._turns: OrderedDict[str, _Turn] = OrderedDict()

    def run(
        self, digest: str, cut: int, boundary: Sequence[Array], *, patience_s: float | None = None
    ) -> Mapping[str, Array]:
        """The outputs that the head did not finish, by name.

        DeadlineHopeless when the bundle's turn has not come within `patience_s` (None: waits); NotFound for a bundle
        that is not here; what the runner raises.
        """
        while True:
            turn = self._turn(digest)
            if not turn.lock.acquire(timeout=-1 if patience_s is None else min(patience_s, threading.TIMEOUT_MAX)):
                raise DeadlineHopeless(
                    f"{patience_s or 0:.3f} s were left, but others run first: the deadline is missed"
                )
            try:
                if not turn.closed:
                    return self._opened(turn, digest).tail(cut, boundary)
            finally:
                turn.lock.release()

    def open(self, digest: str) -> None:
        """Opens a bundle ahead of its first request."""
        turn = self._turn(digest)
        with turn.lock:
            if not turn.closed:
                self._opened(turn, digest)

    def close(self, digest: str) -> None:
        """Closes a bundle, after the call that runs; the next request opens it again."""
        with self._lock:
            turn = self._turns.pop(digest, None)
        if turn:
            turn.close()

    @property
    def opened(self) -> tuple[str, ...]:
        """The digests of the bundles that are open, the least recently used first."""
        with self._lock:
            return tuple(self._turns)

    def _turn(self, digest: str) -> _Turn:
        surplus = []
        with self._lock:
            turn = self._turns.setdefault(digest, _Turn())
            self._turns.move_to_end(digest)
            while len(self._turns) > self._most_open:
                surplus.append(self._turns.popitem(last=False)[1])
        for old in surplus:
            old.close()
        return turn

    def _opened(self, turn: _Turn, digest: str) -> Runner:
        """The turn's runner; the caller holds its lock."""
        if turn.runner is None:
            try:
                turn.runner = self._open_runner(self._bundles.open(digest))
            except BundleBroken as error:
                raise ServiceMissing(f"bundle {digest:.12} is damaged in this store: {error}") from error
            logger.info("opened bundle %.12s with %s", digest, turn.runner.runtime)
        return turn.runner


class _Turn:
    """The lock of a bundle and its runner once it is open. A closed one is never opened again."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.runner: Runner | None = None
        self.closed = False

    def close(self) -> None:
        with self.lock:
            self.closed = True
            if self.runner:
                self.runner.close()
