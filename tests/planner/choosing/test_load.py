import math

import pytest

from planner.choosing.load import latest_end_ms


def test_without_load_there_is_no_hurry():
    assert latest_end_ms((), 10.0) == math.inf


@pytest.mark.parametrize(
    ("behind_ms", "latest"),
    [
        ((100.0,), 90.0),  # it needs 10 ms itself
        ((100.0, 60.0), 40.0),  # the second one waits for the first as well
        ((100.0, math.inf), 90.0),
        ((100.0, 25.0), 90.0),  # late whatever happens: 10 ms of this one, 10 of the first, 10 of its own
    ],
)
def test_who_waits_behind_sets_by_when_to_be_done(behind_ms, latest):
    assert latest_end_ms(behind_ms, 10.0) == latest
