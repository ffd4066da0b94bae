"""Whose turn it is on a device: the earliest deadline first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar


class Waiting(Protocol):
    """A request that waits for the device. `due`: the moment of its deadline, infinite without one; `number`: how many
    came before it; `under_way`: it has had its turn already, and comes back from the cloud to finish here."""

    @property
    def due(self) -> float: ...

    @property
    def number(self) -> int: ...

    @property
    def under_way(self) -> bool: ...


SomeWaiting = TypeVar("SomeWaiting", bound=Waiting)


def by_deadline(one: Waiting) -> tuple[float, int]:
    """The key of the order: the earliest deadline first, those without one last, equals as they came."""
    return one.due, one.number


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
