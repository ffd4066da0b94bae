"""Load: requests that wait behind the one that is decided. A slow row is no use to them."""

from __future__ import annotations

from collections.abc import Sequence


def latest_end_ms(behind_ms: Sequence[float], quick_ms: float) -> float:
    """By when a request must be done so that those behind it, served in their order, can still be in time.

    `behind_ms` is what remains of their deadlines, `quick_ms` what the quickest row takes, which is what each of them
    will need at least. One that would be late even if this request were as quick as that does not count. Infinite
    without load.
    """
    ends = (left_ms - place * quick_ms for place, left_ms in enumerate(behind_ms, start=1))
    return min((end_ms for end_ms in ends if end_ms >= quick_ms), default=float("inf"))
