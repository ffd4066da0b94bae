"""The line before a simulated device: who waits for it, who is under way, and whose turn it is."""

from __future__ import annotations

import math
from bisect import insort
from dataclasses import dataclass, field
from itertools import chain

from planner.choosing.order import by_deadline, next_to_go, rank_s


@dataclass(eq=False)
class Waiter:
    """A request in a simulation. `due`: the moment of its deadline in ms, infinite without one. `answered_ms`: when it is
    answered, infinite as long as that is not known."""

    number: int
    arrived_ms: float
    due: float
    under_way: bool = False
    answered_ms: float = math.inf
    rank_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.rank_s = rank_s(self.due / 1e3, self.arrived_ms / 1e3)


@dataclass(frozen=True, eq=False)
class Return:
    """A request that gives the cloud up at a moment, and then needs the device for so long."""

    one: Waiter
    at_ms: float
    held_ms: float


class Line:
    """As an agent's turns: the earliest deadline first, at most `max_in_flight` under way, one of them on the device.
    Moments are in ms, and only go on."""

    def __init__(self, max_in_flight: int) -> None:
        self._max_in_flight = max_in_flight
        self._newcomers: list[Waiter] = []
        self._back: list[Waiter] = []
        self._returns: dict[Waiter, Return] = {}
        self._under_way: list[Waiter] = []

    @property
    def empty(self) -> bool:
        """Whether nobody waits for the device, nor will come back to it."""
        return not self._newcomers and not self._returns

    def come(self, one: Waiter) -> None:
        insort(self._newcomers, one, key=by_deadline)

    def start(self, one: Waiter) -> None:
        """One whose turn it is gets the device for the first time."""
        self._newcomers.remove(one)
        one.under_way = True
        self._under_way.append(one)

    def leave(self, later: Return) -> None:
        """One who is under way waits for the cloud, and will come back."""
        self._returns[later.one] = later

    def back(self, now_ms: float) -> list[Return]:
        """Those who have come back since the last time; they wait from now on."""
        come = [later for later in self._returns.values() if later.at_ms <= now_ms and later.one not in self._back]
        for later in come:
            insort(self._back, later.one, key=by_deadline)
        return sorted(come, key=_moment)

    def finish(self, one: Waiter) -> float:
        """One who came back, and whose turn it is, gets the device again; for how long."""
        self._back.remove(one)
        return self._returns.pop(one).held_ms

    def next(self, now_ms: float) -> Waiter | None:
        """Who gets the free device now; None: nobody may. Of newcomers the first one alone may."""
        self._under_way = [one for one in self._under_way if one.answered_ms > now_ms]
        line = sorted([*self._back, *self._newcomers[:1]], key=by_deadline)
        return next_to_go(line, lambda _: self.room)

    @property
    def room(self) -> bool:
        """Whether one more may be under way, of those that were when `next` was asked."""
        return len(self._under_way) < self._max_in_flight

    def dues(self, most: int) -> list[float]:
        """When the first of those who wait must be answered, in their order."""
        return [one.due for one in sorted([*self._back, *self._newcomers[:most]], key=by_deadline)[:most]]

    def changes_ms(self) -> float:
        """The first moment at which somebody may get the device who may not now; infinite if that takes a newcomer."""
        answers = (one.answered_ms for one in self._under_way)
        returns = (later.at_ms for later in self._returns.values() if later.one not in self._back)
        return min(chain(answers, returns), default=math.inf)

    def answered_ms(self) -> float:
        """When all who are under way are answered; 0 when nobody is."""
        return max((one.answered_ms for one in self._under_way), default=0.0)


def _moment(later: Return) -> float:
    return later.at_ms
