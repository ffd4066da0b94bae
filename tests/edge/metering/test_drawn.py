"""What was drawn between two questions."""

from __future__ import annotations

import os

import pytest

from edge.metering.drawn import CountedDraws, Drawn, SampledDraws
from edge.metering.ring import Kind, Ring, Slot
from edge.metering.sampler_here import SamplerHere
from hardware.clock import VirtualClock
from hardware.power.scripted import ScriptedMeter, Step
from protocol.configuration import Provenance


class Measured(ScriptedMeter):
    """As if a real meter said so."""

    provenance = Provenance.MEASURED


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(100.0)


def sampled(clock, *steps, counts_joules=True):
    sampler = SamplerHere(Measured(steps, clock=clock, counts_joules=counts_joules), clock=clock)
    return SampledDraws(sampler), sampler.sleep


def counted(clock, *steps):
    return CountedDraws(Measured(steps, clock=clock, counts_joules=True)), clock.sleep


@pytest.mark.parametrize("make", [sampled, counted])
def test_mean_highest_and_energy_are_of_the_time_since_the_last_question(make, clock):
    draws, sleep = make(clock, Step(0.0, 2.0), Step(15.0, 8.0))
    sleep(10.0)
    first = draws.since_last()
    sleep(10.0)
    second = draws.since_last()

    assert (first.mean_w, first.max_w, first.energy_mj) == (2.0, 2.0, pytest.approx(20e3, rel=0.02))
    assert (second.mean_w, second.energy_mj) == (pytest.approx(5.0, rel=0.02), pytest.approx(50e3, rel=0.02))
    assert (second.max_w, second.provenance) == (8.0, Provenance.MEASURED)


@pytest.mark.parametrize("make", [sampled, counted])
def test_a_meter_that_was_lost_all_the_while_draws_nothing_known(make, clock):
    draws, sleep = make(clock, Step(0.0, None))
    sleep(10.0)

    assert draws.since_last() == Drawn(None, None, None, Provenance.MEASURED)


def test_a_short_peak_shows_among_samples(clock):
    draws, sleep = sampled(clock, Step(0.0, 2.0), Step(5.0, 9.0), Step(5.3, 2.0))
    sleep(10.0)

    assert draws.since_last().max_w == 9.0


def test_a_meter_that_was_lost_in_between_is_estimated_there(clock):
    draws, sleep = sampled(clock, Step(0.0, 2.0), Step(3.0, None), Step(6.0, 2.0), counts_joules=False)
    sleep(10.0)
    bridged = draws.since_last()
    sleep(10.0)

    assert (bridged.mean_w, bridged.provenance) == (pytest.approx(2.0), Provenance.ESTIMATED)
    assert draws.since_last().provenance is Provenance.MEASURED


def test_what_a_meter_drew_while_it_was_lost_all_the_while_is_in_no_later_stretch(clock):
    draws, sleep = sampled(clock, Step(0.0, 6.0), Step(5.0, None), Step(3605.0, 6.0), counts_joules=False)
    sleep(5.0)
    draws.since_last()
    sleep(3597.0)
    lost = draws.since_last()
    sleep(60.0)
    back = draws.since_last()
    sleep(60.0)

    assert lost.energy_mj is None
    assert (back.energy_mj, back.provenance) == (pytest.approx(360e3, rel=0.02), Provenance.ESTIMATED)
    assert draws.since_last().provenance is Provenance.MEASURED


class Silent:
    """Samples as they are written here."""

    provenance, period_s = Provenance.MEASURED, 0.1

    def __init__(self) -> None:
        self.ring, descriptor = Ring.create()
        os.close(descriptor)

    def nudge(self) -> None:
        raise AssertionError("nobody asks for a sample")

    def await_sample(self, at_s: float) -> None:
        raise AssertionError(f"nobody waits for {at_s} s")


def test_a_sampler_that_was_away_leaves_its_absence_to_no_later_stretch():
    sampler = Silent()
    sampler.ring.write(Slot(100.0, 6.0, 0.0, 0, Kind.WATTS))
    draws = SampledDraws(sampler)

    silent = draws.since_last()
    for at_s in (3700.0, 3710.0):
        sampler.ring.write(Slot(at_s, 6.0, 6.0 * (at_s - 100.0), 1, Kind.WATTS))

    assert (silent.energy_mj, draws.since_last().energy_mj) == (None, pytest.approx(60e3))


def test_what_a_slow_meter_shows_later_is_in_the_stretch_that_shows_it():
    sampler = Silent()
    sampler.ring.write(Slot(100.0, 6.0, 0.0, 0, Kind.COUNTER))
    draws = SampledDraws(sampler)

    silent = draws.since_last()
    sampler.ring.write(Slot(130.0, 6.0, 180.0, 0, Kind.COUNTER))

    assert (silent.energy_mj, draws.since_last().energy_mj) == (None, pytest.approx(180e3))
