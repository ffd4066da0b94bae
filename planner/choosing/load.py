"""Load: requests that wait behind the one that is decided. A row that holds the device for long is no use to them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from planner.pricing import Expected, Floats


def latest_end_ms(behind_ms: Sequence[float], quick_ms: float, held_ms: float | None = None) -> float:
    """By when a request must give up the device so that those behind it, served in their order, can still be in time.

    `behind_ms` is what remains of their deadlines, `quick_ms` what the quickest row takes, which is what each of them
    will need at least, and `held_ms` for how long a row holds the device at least (None: as long as the quickest takes).
    One that would be late even if this request held it no longer does not count. Infinite without load.
    """
    held = quick_ms if held_ms is None else held_ms
    ends = (left_ms - (place * held + quick_ms) for place, left_ms in enumerate(behind_ms))
    return min((end_ms for end_ms in ends if end_ms >= held), default=math.inf)


@dataclass(frozen=True)
class Due:
    """By when a request must be done, `own_ms`, and by when it must give up the device for those behind it, `behind_ms`;
    ms from now, infinite for never. `overlaps`: it gives it up while it waits for the cloud, and else when it is done."""

    own_ms: float = math.inf
    behind_ms: float = math.inf
    overlaps: bool = False

    @property
    def never(self) -> bool:
        """Whether there is no hurry at all."""
        return math.isinf(self.own_ms) and math.isinf(self.behind_ms)

    def late_ms(self, expected: Expected) -> Floats:
        """By how much each row may be late, 0 or less for one in time."""
        late_ms: Floats = expected.guarded_ms - self.own_ms
        if math.isinf(self.behind_ms):
            return late_ms
        held_ms = expected.held_ms if self.overlaps else expected.guarded_ms
        return np.maximum(late_ms, held_ms - self.behind_ms)


NO_HURRY = Due()
"""Neither for itself nor for others."""
