import numpy as np
import pytest

from planner.costs.scatter import Scatter
from protocol.configuration import Configuration

CONFIGURATIONS = [Configuration(cut=cut, cpu_khz=1_800_000) for cut in range(1, 41)]


def repeated(deviations, *, times):
    rng = np.random.default_rng(0)
    return {
        item: (100 * np.exp(rng.normal(0, deviation, times))).tolist()
        for item, deviation in zip(CONFIGURATIONS, deviations, strict=True)
    }


@pytest.mark.parametrize("deviation", [0.003, 0.02, 0.1])
def test_what_was_not_repeated_scatters_as_the_others_do(deviation):
    scatter = Scatter.of(repeated([deviation] * 40, times=10))

    assert scatter.once == pytest.approx(deviation * 2**0.5, rel=0.25)


def test_what_was_repeated_often_speaks_for_itself():
    wild = CONFIGURATIONS[7]

    scatter = Scatter.of(repeated([0.2 if item == wild else 0.01 for item in CONFIGURATIONS], times=20))

    assert scatter.own[wild] == pytest.approx(0.2, rel=0.4)
    assert scatter.own[CONFIGURATIONS[8]] == pytest.approx(0.01, rel=0.4)
    assert scatter.once < 0.02


def test_repeats_that_agree_to_the_last_digit_do_not_promise_certainty():
    scatter = Scatter.of({item: [50.0, 50.0, 50.0] for item in CONFIGURATIONS})

    assert 0 < scatter.own[CONFIGURATIONS[0]] < scatter.once < 0.01


def test_where_nothing_was_repeated_what_is_usual_is_assumed():
    scatter = Scatter.of({item: [50.0] for item in CONFIGURATIONS})

    assert not scatter.own
    assert scatter.once == pytest.approx(0.01 * 2**0.5)
