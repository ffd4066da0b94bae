import math

import numpy as np
import pytest

from planner.choosing.switching import FREE, Board, Switching
from planner.pricing import Parts
from protocol.configuration import Configuration, EdgeAccelerator
from protocol.errors import InvalidInput
from protocol.table import Row

OFF, STD, MAX = EdgeAccelerator


def parts(*settings: tuple[int, EdgeAccelerator]) -> Parts:
    return Parts.of(
        [Row(Configuration(9, khz, tpu), 5.0, 20.0, 0.0, 0, 0, 0.0, 0.0, 0.0, None) for khz, tpu in settings]
    )


ALL = parts((600_000, OFF), (1_800_000, OFF), (600_000, STD), (600_000, MAX), (1_800_000, MAX))


@pytest.mark.parametrize(
    ("board", "delays_ms"),
    [
        (Board(600_000), [0, 7, 3, 3, 10]),
        (Board(600_000, STD), [0, 7, 0, 3, 10]),  # nothing to wait for when it goes to sleep
        (Board(1_800_000, MAX), [7, 0, 10, 7, 0]),
        (None, [0, 0, 0, 0, 0]),
    ],
)
def test_another_clock_and_an_accelerator_to_wake_or_clock_take_their_time(board, delays_ms):
    assert list(Switching(clock_ms=7.0, accelerator_ms=3.0, board=board).delay_ms(ALL)) == delays_ms


def test_it_is_free_where_nothing_takes_time_or_nobody_knows_from_where():
    assert FREE.free and Switching(clock_ms=7.0).free and Switching(board=Board(600_000)).free
    assert not Switching(accelerator_ms=3.0, board=Board(600_000)).free
    assert not np.any(FREE.delay_ms(ALL))


@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf])
@pytest.mark.parametrize("which", ["clock_ms", "accelerator_ms"])
def test_a_time_that_is_none_is_refused(which, wrong):
    with pytest.raises(InvalidInput, match="switching times"):
        Switching(**{which: wrong})
