"""Clocks that are not the ones asked for: what firmware, heat and drivers do behind the kernel's back.

A lie turns the clock that should result into the one that the processor really runs at; the ladder is ascending, in kHz.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Lie = Callable[[int, Sequence[int]], int]


def honest(wanted_khz: int, _ladder_khz: Sequence[int]) -> int:
    """No lie."""
    return wanted_khz


def stuck_at(khz: int) -> Lie:
    """Whatever is asked for, it runs at this clock."""
    return lambda _wanted_khz, _ladder_khz: khz


def one_step_lower(wanted_khz: int, ladder_khz: Sequence[int]) -> int:
    """The next clock down, for any but the lowest."""
    return max((khz for khz in ladder_khz if khz < wanted_khz), default=ladder_khz[0])


def capped_at(cap_khz: int) -> Lie:
    """No higher than this, as a hot processor; lower clocks are reached."""
    return lambda wanted_khz, _ladder_khz: min(wanted_khz, cap_khz)


def at_least(floor_khz: int) -> Lie:
    """No lower than this, as a Raspberry Pi 5 below 1500 MHz."""
    return lambda wanted_khz, _ladder_khz: max(wanted_khz, floor_khz)
