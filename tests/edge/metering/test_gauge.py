"""Meters that are read at each mark."""

from __future__ import annotations

import pytest

from edge.metering.energy import Energies
from edge.metering.gauge import DirectGauge, Tally
from hardware.clock import VirtualClock
from hardware.power.meter import Reading
from hardware.power.scripted import ScriptedMeter, Step
from protocol.configuration import Provenance

STEPS = (Step(0.0, 2.0), Step(1.0, 6.0))


class Measured(ScriptedMeter):
    """As if a real meter said so."""

    provenance = Provenance.MEASURED


def spent(make, seconds):
    clock = VirtualClock(5.0)
    energies = Energies(DirectGauge(make(clock), clock=clock))
    window = energies.open()
    clock.sleep(seconds)
    return window.close().energy


def test_bare_watts_are_the_mean_of_both_ends_and_an_estimate():
    energy = spent(lambda clock: Measured(STEPS, clock=clock), 2.0)
    assert (energy.mj, energy.provenance) == (pytest.approx(8000.0), Provenance.ESTIMATED)


def test_an_emulated_meter_stays_emulated():
    energy = spent(lambda clock: ScriptedMeter(STEPS, clock=clock), 1.0)
    assert energy.provenance is Provenance.EMULATED


def test_a_counter_that_begins_again_is_a_gap_bridged_by_its_watts():
    tally = Tally()
    for joules, at_s in ((1000.0, 0.0), (1004.0, 2.0), (1.0, 3.0), (3.0, 4.0)):
        tally.add(Reading(2.0, joules, at_s))
    assert (tally.joules, tally.gaps) == (pytest.approx(4.0 + 2.0 + 2.0), 1)


def test_a_counter_that_went_on_while_it_was_lost_says_what_was_spent():
    tally = Tally()
    tally.add(Reading(2.0, 100.0, 0.0))
    tally.lose(1.0)
    estimated = tally.joules
    tally.add(Reading(2.0, 109.0, 2.0))
    assert (estimated, tally.joules, tally.gaps) == (2.0, 9.0, 1)


def test_what_was_told_while_the_meter_was_lost_is_not_taken_back():
    tally = Tally()
    tally.add(Reading(5.0, 100.0, 0.0))
    tally.lose(10.0)
    tally.add(Reading(1.0, 110.0, 10.0))
    assert tally.joules == 50.0
