"""Turns: one head runs at a time, the earliest deadline first; while one request waits for the cloud, the next one's head runs."""

from __future__ import annotations

import math
import threading
import time
from bisect import insort
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from edge.device.running_mean import RunningMean
from hardware.clock import Clock
from planner.choosing.order import by_deadline, next_to_go, rank_s
from protocol.errors import DeadlineHopeless, DynaSplitError, Overloaded

_LONGEST_WAIT_S = 3600.0
"""An event takes no timeout beyond some range; after so long the clock is just asked again."""


class CallerGone(DynaSplitError, ConnectionError):
    """The caller hung up while the request waited for its turn. Nobody reads this answer."""

    http_status: ClassVar[int] = 499
    exit_code: ClassVar[int] = 4


def stays() -> bool:
    """The `gone` of a caller of whom nothing is known."""
    return False


@dataclass(frozen=True)
class Claim:
    """What a request says of itself when it queues.

    `insists`: it waits although all places are taken, as what the agent does of itself.
    `due_s`: the monotonic moment of its deadline, infinite without one. `latest_s`: from which moment on it does not want
    its turn any more, infinite for never. `alone`: no other request may be under way with it. `gone`: whether its caller
    has hung up; cheap, may be asked from any thread.
    """

    due_s: float = math.inf
    latest_s: float = math.inf
    alone: bool = False
    gone: Callable[[], bool] = stays
    insists: bool = False


NO_HURRY = Claim()


class Turn:
    """One request's way through the queue. For one thread, that of the request."""

    def __init__(self, turns: Turns, claim: Claim, number: int, *, came_s: float) -> None:
        self.claim = claim
        self.rank_s = rank_s(claim.due_s, came_s)
        self.number = number
        self.woken = threading.Event()
        self.under_way = False
        self.holds = False
        self.overlapped = False
        """Whether another request was under way at any time together with this one."""
        self._turns = turns

    @property
    def overlaps(self) -> bool:
        """Whether the next head may run while this request waits for the cloud, as it stands now."""
        return self._turns.room_beside(self)

    def release(self) -> None:
        """Gives the device up for the time of a round trip."""
        self._turns.released(self)

    def retake(self) -> None:
        """Waits for the device again, in the order of deadlines. Nothing to do for who holds it."""
        self._turns.retaken(self)

    def end(self) -> None:
        """Lets the next one go before what has to do with neither device nor cloud. Ending again changes nothing."""
        self._turns.ended(self)


class Turns:
    """A queue of bounded length in front of one device. Thread-safe.

    The earliest deadline comes first, equals in the order of their coming; who has none is ordered as if due some seconds
    after it came (`planner.choosing.order`), so that its turn comes under any load. At most `max_in_flight` requests are
    under way, of which one holds the device; with 1 the next one waits until the one before is answered. Who comes back
    from the cloud to finish here queues like all others, and needs no place. The first in order that has to wait until
    others have ended is not overtaken by those behind it.
    """

    def __init__(self, *, max_waiting: int, max_in_flight: int = 1, clock: Clock = time.monotonic) -> None:
        self._max_waiting = max_waiting
        self._max_in_flight = max_in_flight
        self._clock = clock
        self._lock = threading.Lock()
        self._queue: list[Turn] = []
        self._under_way: list[Turn] = []
        self._holder: Turn | None = None
        self._held_since_s = 0.0
        self._held_s = RunningMean()
        self._count = 0

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return len(self._queue)

    @property
    def under_way(self) -> int:
        """How many have had their turn and are not answered yet."""
        return len(self._under_way)

    def behind_ms(self, now_s: float) -> tuple[float, ...]:
        """What remains of the deadlines of those who wait, in their order: infinite without one, negative when passed."""
        with self._lock:
            return tuple((turn.claim.due_s - now_s) * 1e3 for turn in self._queue)

    @contextmanager
    def turn(self, claim: Claim = NO_HURRY) -> Iterator[Turn]:
        """Waits for the turn.

        Raises Overloaded at once when `max_waiting` others wait already; DeadlineHopeless at once when those before it
        will take until its `latest_s`, by what the latest ones took on average, and when that moment comes while it
        waits; CallerGone when its caller hung up.
        """
        turn = self._queued(claim)
        try:
            self._wait(turn)
            yield turn
        finally:
            self.ended(turn)

    @property
    def room(self) -> bool:
        """Whether a request that came now could have another one under way beside it."""
        return len(self._under_way) + 1 < self._max_in_flight

    def room_beside(self, turn: Turn) -> bool:
        """Whether another request may be under way besides those that are."""
        return not turn.claim.alone and len(self._under_way) < self._max_in_flight

    def released(self, turn: Turn) -> None:
        """As `Turn.release`."""
        with self._lock:
            self._let_go(turn)
            self._hand_on()

    def retaken(self, turn: Turn) -> None:
        """As `Turn.retake`."""
        if turn.holds:
            return
        turn.woken.clear()
        with self._lock:
            insort(self._queue, turn, key=by_deadline)
            self._hand_on()
        turn.woken.wait()

    def _queued(self, claim: Claim) -> Turn:
        with self._lock:
            self._count += 1
            turn = Turn(self, claim, self._count, came_s=self._clock())
            insort(self._queue, turn, key=by_deadline)
            self._hand_on()
            if not turn.holds:
                try:
                    if not claim.insists:
                        self._check_place()
                    self._check_hope(turn)
                except DynaSplitError:
                    self._queue.remove(turn)
                    raise
            return turn

    def _check_place(self) -> None:
        """Requests whose callers have gone make room, also before their turn comes."""
        if self._newcomers() > self._max_waiting:
            for turn in [turn for turn in self._queue if not turn.under_way and turn.claim.gone()]:
                self._queue.remove(turn)
                turn.woken.set()
        if self._newcomers() > self._max_waiting:
            raise Overloaded(f"{self._newcomers() - 1} requests are waiting on this device; try again later")

    def _newcomers(self) -> int:
        return sum(not (turn.under_way or turn.claim.insists) for turn in self._queue)

    def _check_hope(self, turn: Turn) -> None:
        if math.isinf(turn.claim.latest_s):
            return
        before, now_s = self._queue.index(turn), self._clock()
        running_s = max(0.0, self._held_s.value - (now_s - self._held_since_s)) if self._holder else 0.0
        if now_s + running_s + before * self._held_s.value > turn.claim.latest_s:
            raise DeadlineHopeless(
                f"the deadline cannot be met: {before} requests wait before it and one is running, and the latest took "
                f"this device {self._held_s.value * 1e3:.0f} ms on average; allow more time or ask with late=serve"
            )

    def _wait(self, turn: Turn) -> None:
        """Until it holds the device; raises when it will not."""
        while not (turn.woken.is_set() or turn.woken.wait(self._patience_s(turn.claim))):
            with self._lock:
                if not turn.holds and self._clock() >= turn.claim.latest_s:
                    raise DeadlineHopeless(
                        "its turn did not come while the deadline could still be met; allow more time or ask with late=serve"
                    )
        if not turn.holds or turn.claim.gone():
            raise CallerGone("the caller hung up while the request waited for its turn")

    def _patience_s(self, claim: Claim) -> float | None:
        if math.isinf(claim.latest_s):
            return None
        return min(max(claim.latest_s - self._clock(), 0.0), _LONGEST_WAIT_S)

    def ended(self, turn: Turn) -> None:
        """As `Turn.end`: gives up whatever it has, its place, the device, its being under way."""
        with self._lock:
            if turn in self._queue:
                self._queue.remove(turn)
            if turn in self._under_way:
                self._under_way.remove(turn)
            self._let_go(turn)
            self._hand_on()

    def _let_go(self, turn: Turn) -> None:
        if self._holder is turn:
            self._held_s.add(self._clock() - self._held_since_s)
            self._holder, turn.holds = None, False

    def _hand_on(self) -> None:
        """Gives the free device to the first in order who may have it."""
        if self._holder is not None:
            return
        turn = next_to_go(self._queue, self._may_start)
        if turn is not None:
            self._queue.remove(turn)
            self._give_to(turn)

    def _may_start(self, turn: Turn) -> bool:
        if turn.claim.alone or any(other.claim.alone for other in self._under_way):
            return not self._under_way
        return len(self._under_way) < self._max_in_flight

    def _give_to(self, turn: Turn) -> None:
        if not turn.under_way:
            turn.under_way = True
            self._under_way.append(turn)
        if len(self._under_way) > 1:
            for other in self._under_way:
                other.overlapped = True
        self._holder, turn.holds = turn, True
        self._held_since_s = self._clock()
        turn.woken.set()
