"""Running tails: one runner per bundle, opened when it is first needed, a bounded number at a time."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from cloud.bundles.files import BundleFiles
from cloud.inference.line import Line, Place
from cloud.waiting import about_to_wait
from models.bundle import Bundle
from models.running.runner import Runner
from protocol.errors import BundleBroken, DeadlineHopeless, ServiceMissing
from protocol.tensors import Array

logger = logging.getLogger(__name__)

OpenRunner = Callable[[Bundle], Runner]


@dataclass(frozen=True)
class Ran:
    """A tail's outputs by name, how long it waited for its turn, and how long it ran."""

    outputs: Mapping[str, Array]
    waited_s: float
    ran_s: float


class Tails:
    """Runs tails of stored bundles. Thread-safe: the calls of one bundle take turns.

    At most `most_open` bundles stay open; the one that was used least recently is closed for another. At most `most_waiting`
    calls wait.
    """

    def __init__(
        self,
        bundles: BundleFiles,
        *,
        open_runner: OpenRunner,
        most_open: int,
        most_waiting: int,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._bundles = bundles
        self._open_runner = open_runner
        self._most_open = most_open
        self._clock = clock
        self.line = Line(most_waiting, clock=clock)
        self._lock = threading.Lock()
        self._turns: OrderedDict[str, _Turn] = OrderedDict()

    def run(self, digest: str, cut: int, boundary: Sequence[Array], *, patience_s: float | None = None) -> Ran:
        """The outputs that the head did not finish.

        Busy at once when too many wait; DeadlineHopeless as soon as it cannot be done within `patience_s` (None: it waits), by
        what is measured while it waits as well; NotFound for a bundle that is not here; WouldWait for who must not; what the runner
        raises.
        """
        began_s = self._clock()
        until_s = math.inf if patience_s is None else began_s + patience_s
        with self.line.place(digest, cut, patience_s=patience_s) as place:
            while True:
                turn = self._turn(digest)
                self._wait(turn, place, until_s)
                try:
                    if not turn.closed:
                        runner = turn.runner or self._opened_in_time(turn, digest, place, until_s)
                        if not (runner.holds_interpreter and cut in turn.ran):
                            about_to_wait()
                        self._check_in_time(place, until_s)
                        ran = self._ran(runner, place, boundary, began_s)
                        turn.ran.add(cut)
                        return ran
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

    def close_all_but(self, digests: Collection[str]) -> None:
        """Closes bundles that another process unloaded or deleted, so that they leave memory and disk here as well."""
        for digest in self.opened:
            if digest not in digests:
                self.close(digest)

    @property
    def opened(self) -> tuple[str, ...]:
        """The digests of the bundles that are open, the least recently used first."""
        with self._lock:
            return tuple(self._turns)

    def _ran(self, runner: Runner, place: Place, boundary: Sequence[Array], began_s: float) -> Ran:
        turn_s = self.line.runs(place)
        outputs = runner.tail(place.cut, boundary)
        return Ran(outputs, waited_s=turn_s - began_s, ran_s=self.line.ran(place, turn_s))

    def _wait(self, turn: _Turn, place: Place, until_s: float) -> None:
        """For its turn, as long as the tail may then still be in time."""
        if turn.lock.acquire(blocking=False):
            return
        about_to_wait()
        if until_s == math.inf:
            turn.lock.acquire()
            return
        left_s = until_s - self._clock()
        timeout_s = left_s - place.pace.least_s(self._clock())
        if not turn.lock.acquire(timeout=min(max(0.0, timeout_s), threading.TIMEOUT_MAX)):
            self._refuse(left_s, "but others run first")

    def _check_in_time(self, place: Place, until_s: float) -> None:
        if until_s == math.inf:
            return
        now_s = self._clock()
        needed_s = place.pace.least_s(now_s)
        if needed_s > until_s - now_s:
            self._refuse(until_s - now_s, f"but this tail takes {needed_s * 1e3:.0f} ms")

    def _refuse(self, left_s: float, why: str) -> NoReturn:
        left_ms = max(0.0, left_s) * 1e3
        raise DeadlineHopeless(
            f"{left_ms:.0f} ms were left, {why}: the deadline is missed", retry_after_s=self.line.wait_s()
        )

    def _turn(self, digest: str) -> _Turn:
        surplus = []
        with self._lock:
            turn = self._turns.get(digest)
            if turn is None:
                about_to_wait()
                turn = self._turns[digest] = _Turn()
            self._turns.move_to_end(digest)
            while len(self._turns) > self._most_open:
                surplus.append(self._turns.popitem(last=False)[1])
        for old in surplus:
            old.close()
        return turn

    def _opened_in_time(self, turn: _Turn, digest: str, place: Place, until_s: float) -> Runner:
        """Not for one that is too late already."""
        about_to_wait()
        self._check_in_time(place, until_s)
        return self._opened(turn, digest)

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
    """The lock of a bundle and its runner once it is open. A closed one is never opened again.

    `ran`: the cuts whose tail this runner has run; the first time it reads and compiles, which takes others' turn.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.runner: Runner | None = None
        self.closed = False
        self.ran: set[int] = set()

    def close(self) -> None:
        with self.lock:
            self.closed = True
            if self.runner:
                self.runner.close()
