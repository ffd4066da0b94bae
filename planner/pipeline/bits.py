"""Sets of small numbers as the bits of one integer: bit n stands for n."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from planner.pipeline.instance import Flags


def packed(flags: Flags) -> int:
    """The indices of the flags that are set."""
    return int.from_bytes(np.packbits(flags, bitorder="little").tobytes(), "little")


def numbers_of(bits: int) -> Iterator[int]:
    """The numbers of a set, ascending."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def in_several(sets: Iterable[int]) -> int:
    """What is in more than one of the sets."""
    seen = twice = 0
    for each in sets:
        twice |= seen & each
        seen |= each
    return twice
