"""Patience: how long a device waits for the cloud before it finishes a request itself."""

from __future__ import annotations

import math

LONGEST_WAIT_MS = 10_000.0
_SHORTEST_WAIT_MS = 10.0
_FAIR_CHANCE = 1.25
"""Times the expected round trip: less is not worth starting it."""

_HOME_SLACK, _HOME_OVERHEAD_MS = 1.2, 2.0
"""What is kept back for finishing on the device: its time is an estimate, and changing over takes a moment."""


def patience_ms(*, left_ms: float, cloud_ms: float, home_ms: float) -> float:
    """How long to wait: `left_ms` until the deadline (infinite: none), `cloud_ms` is what the round trip is expected to
    take and `home_ms` what finishing on the device would, 0 where nobody knows.

    So long that the device could still finish in time, if that leaves the cloud a fair chance. Else the request can only be
    in time by the cloud, and past its deadline giving up would make it later still: then as long as finishing on the device
    takes, so that the wait at most doubles what that costs.
    """
    if math.isinf(left_ms):
        return LONGEST_WAIT_MS
    early_ms = left_ms - _HOME_SLACK * home_ms - _HOME_OVERHEAD_MS
    patience = early_ms if early_ms >= _FAIR_CHANCE * cloud_ms else max(left_ms, home_ms)
    return min(max(patience, _SHORTEST_WAIT_MS), LONGEST_WAIT_MS)
