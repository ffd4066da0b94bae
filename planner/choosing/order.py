"""Whose turn it is on a device: the earliest deadline first, and nobody waits for ever."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

UNHURRIED_S = 10.0
"""In the order a request without a deadline is due so long after it came. Longer than those with one usually allow, which
therefore go first; and well below the 30 s after which many HTTP clients give up."""


class Waiting(Protocol):
    """A request that waits for the device. `rank_s`: the moment by which it is ordered, see `rank_s`; `number`: how many
    came before it; `under_way`: it has had its turn already, and comes back from the cloud to finish here."""

    @property
    def rank_s(self) -> float: ...

    @property
    def number(self) -> int: ...

    @property
    def under_way(self) -> bool: ...


SomeWaiting = TypeVar("SomeWaiting", bound=Waiting)


def rank_s(due_s: float, came_s: float) -> float:
    """The moment by which a request is ordered that came at one moment and is due at another (infinite: it has no deadline).

    Were those without a deadline simply last, a steady stream of others would keep them waiting for ever.
    """
    return came_s + UNHURRIED_S if math.isinf(due_s) else due_s


def by_deadline(one: Waiting) -> tuple[float, int]:
    """The key of the order: the earliest `rank_s` first, equals as they came."""
    return one.rank_s, one.number


def next_to_go(line: Iterable[SomeWaiting], may_start: Callable[[SomeWaiting], bool]) -> SomeWaiting | None:
    """Who gets the free device of those who wait, in the order of `by_deadline`; None: nobody may now.

    Who is under way already needs no place beside others. The first of the rest that may not start is not overtaken by
    those behind it.
    """
    blocked = False
    for one in line:
        if one.under_way or (not blocked and may_start(one)):
            return one
        blocked = True
    return None
