"""A meter that says what cannot be is not believed."""

from __future__ import annotations

import pytest

from hardware.power.believable import BelievableMeter
from hardware.power.meter import MeterLost, Reading
from protocol.configuration import Provenance


class Told:
    """Says what it is told to."""

    provenance = Provenance.MEASURED
    period_s = 1.0

    def __init__(self) -> None:
        self.reading = Reading(3.0, None, 0.0)

    def read(self) -> Reading:
        return self.reading


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.mark.parametrize("watts", [1e99, 25_000.0, -5.0, float("inf"), float("nan")])
def test_watts_that_cannot_be_are_no_reading(told, watts):
    meter = BelievableMeter(told)
    told.reading = Reading(watts, None, 1.0)
    with pytest.raises(MeterLost, match="cannot be"):
        meter.read()
    told.reading = Reading(4.0, None, 2.0)
    assert meter.read().watts == 4.0


def test_the_offset_of_a_shunt_counts_as_nothing(told):
    told.reading = Reading(-0.02, None, 1.0)
    assert BelievableMeter(told).read().watts == 0.0


def test_a_counter_that_leaps_is_taken_up_from_there(told):
    meter = BelievableMeter(told)
    told.reading = Reading(3.0, 10.0, 1.0)
    assert meter.read().joules == 10.0
    told.reading = Reading(3.0, 1e12, 2.0)
    with pytest.raises(MeterLost, match="leapt"):
        meter.read()
    told.reading = Reading(3.0, 1e12 + 3.0, 3.0)
    assert meter.read().joules == 13.0


def test_a_counter_may_grow_as_fast_as_a_large_node_draws(told):
    meter = BelievableMeter(told)
    for second in range(3):
        told.reading = Reading(1000.0, 1000.0 * second, float(second))
        assert meter.read().joules == 1000.0 * second
