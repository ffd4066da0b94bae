"""A body that is read while it comes, fast enough or not."""

from __future__ import annotations

import pytest

from cloud.front.limits import Limits
from cloud.front.paced import Paced

LIMITS = Limits(patience_s=30.0, slowest_bytes_per_s=10.0)


class Dripping:
    """Gives as many bytes as it is asked for, and each takes `step_s`."""

    def __init__(self, step_s: float) -> None:
        self.now_s = 0.0
        self._step_s = step_s

    def clock(self) -> float:
        return self.now_s

    def recv(self, size: int) -> bytes:
        self.now_s += size * self._step_s
        return b"x" * size


def test_a_client_at_the_lowest_rate_goes_on():
    dripping = Dripping(step_s=0.1)
    paced = Paced(dripping, LIMITS, began_s=0.0, clock=dripping.clock)

    assert sum(len(paced.recv(10)) for _ in range(1000)) == 10_000


def test_a_slower_one_is_given_up_after_its_patience():
    dripping = Dripping(step_s=1.0)
    paced = Paced(dripping, LIMITS, began_s=0.0, clock=dripping.clock)

    with pytest.raises(TimeoutError):
        for _ in range(100):
            paced.recv(1)

    assert 30.0 < dripping.now_s < 40.0
