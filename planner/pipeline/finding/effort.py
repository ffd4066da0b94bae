"""How long a search may go on: a number of states, or until it is told to stop."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

Stop = Callable[[], bool]
"""Asked now and then; True ends a search early, with what it has."""

_ASK_EVERY = 64


def never() -> bool:
    """A search that runs to its end."""
    return False


class OutOfEffort(Exception):
    """The search was cut off before it knew."""


@dataclass
class Effort:
    """How many states a search may still look at."""

    stop: Stop = never
    left: float = math.inf
    _spent: int = 0

    def spend(self) -> None:
        """Raises OutOfEffort once all is spent, or when told to stop."""
        self.left -= 1
        self._spent += 1
        if self.left < 0 or (self._spent % _ASK_EVERY == 0 and self.stop()):
            raise OutOfEffort
