from __future__ import annotations

import math

import pytest

from planner.choosing.patience import LONGEST_WAIT_MS, patience_ms


@pytest.mark.parametrize(
    ("left_ms", "cloud_ms", "home_ms", "patience"),
    [
        (math.inf, 26.0, 90.0, LONGEST_WAIT_MS),
        (300.0, 26.0, 90.0, 300.0 - 1.2 * 90.0 - 2.0),  # the device can still finish in time
        (120.0, 26.0, 90.0, 120.0),  # it could not: in time by the cloud or not at all
        (-50.0, 26.0, 90.0, 90.0),  # late already: at most as long as finishing here would take
        (5.0, 1.0, 0.0, 10.0),  # a shorter wait is none
        (99_999.0, 26.0, 90.0, LONGEST_WAIT_MS),
    ],
)
def test_a_device_waits_so_long_that_it_could_still_finish_if_that_is_fair(left_ms, cloud_ms, home_ms, patience):
    assert patience_ms(left_ms=left_ms, cloud_ms=cloud_ms, home_ms=home_ms) == pytest.approx(patience)
