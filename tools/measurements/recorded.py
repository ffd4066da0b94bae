"""What a source of measurements held, line by line."""

from __future__ import annotations

from dataclasses import dataclass

from planner.space import Space
from protocol.measurement import Measurement


@dataclass(frozen=True, eq=False)
class Recorded:
    """Measurements with their places (`file.csv:12`), one for each, and the space that they are of.

    `skipped`: for each line that cannot be and was left out, its place and what is wrong with it. `sampled`: there is more
    in the space than was ever measured, so that the measurements do not cover it is no fault.
    """

    measurements: tuple[Measurement, ...]
    where: tuple[str, ...]
    space: Space
    skipped: tuple[str, ...] = ()
    sampled: bool = False
