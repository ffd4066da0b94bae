"""What goes wrong and when: a script of faults, drawn from a seed, by how many requests were answered."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_POLL_S = 0.02


@dataclass(frozen=True)
class Fault:
    """Between so many answered requests and so many something is broken."""

    name: str
    begins: int
    ends: int


@dataclass(frozen=True)
class Breakable:
    """How something is broken, and how it is mended."""

    fail: Callable[[], object]
    mend: Callable[[], object]


def draw(names: tuple[str, ...], *, each: int, requests: int, lasts: tuple[int, int], seed: int) -> list[Fault]:
    """`each` faults of every name, at random, none of one name upon itself, all mended before the end."""
    chance = random.Random(seed)
    faults = []
    for name in names:
        stretch = requests // each
        for place in range(each):
            length = chance.randint(*lasts)
            begins = place * stretch + chance.randint(stretch // 10, stretch - length - 1)
            faults.append(Fault(name, begins, begins + length))
    return sorted(faults, key=lambda fault: fault.begins)


def carry_out(faults: list[Fault], things: Mapping[str, Breakable], answered: Callable[[], int]) -> list[str]:
    """Breaks and mends as requests are answered; what was done when.

    Processes end with the thread that started them, so call it on one that stays.
    """
    begins = [(fault.begins, True, fault.name) for fault in faults]
    ends = [(fault.ends, False, fault.name) for fault in faults]
    done = []
    for at, fails, name in sorted(begins + ends):
        while answered() < at:
            time.sleep(_POLL_S)
        (things[name].fail if fails else things[name].mend)()
        done.append(f"{answered()}: {name} {'fails' if fails else 'is back'}")
    return done
