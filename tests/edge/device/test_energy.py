"""Energy over a window."""

from __future__ import annotations

import pytest

from edge.device.energy import Energies
from edge.device.gauge import DirectGauge
from hardware.clock import VirtualClock
from hardware.power.scripted import ScriptedMeter, Step
from protocol.configuration import Provenance

STEPS = (Step(0.0, 2.0), Step(1.0, 6.0), Step(10.0, None))


class Measured(ScriptedMeter):
    """As if a real meter said so."""

    provenance = Provenance.MEASURED


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(5.0)


def spent(meter, clock, seconds, *, from_s: float = 0.0):
    energies = Energies(DirectGauge(meter, clock=clock))
    energies.open().close()
    clock.sleep(from_s)
    window = energies.open()
    clock.sleep(seconds)
    return window.close().energy


def test_a_counter_gives_the_difference(clock):
    energy = spent(Measured(STEPS, clock=clock, counts_joules=True), clock, 2.0)
    assert (energy.mj, energy.provenance) == (pytest.approx(8000.0), Provenance.MEASURED)


def test_without_a_counter_it_is_an_estimate(clock):
    energy = spent(Measured(STEPS, clock=clock), clock, 2.0)
    assert (energy.mj, energy.provenance) == (pytest.approx(8000.0), Provenance.ESTIMATED)


def test_a_window_shorter_than_five_periods_is_an_estimate(clock):
    meter = Measured(STEPS, clock=clock, counts_joules=True, period_s=0.5)
    assert spent(meter, clock, 2.4).provenance is Provenance.ESTIMATED
    assert spent(meter, clock, 2.5).provenance is Provenance.MEASURED


def test_an_emulated_meter_stays_emulated(clock):
    assert spent(ScriptedMeter(STEPS, clock=clock), clock, 1.0).provenance is Provenance.EMULATED


def test_while_the_meter_is_lost_its_last_power_is_taken(clock):
    energy = spent(Measured(STEPS, clock=clock, counts_joules=True), clock, 1.0, from_s=9.5)
    assert (energy.mj, energy.provenance) == (pytest.approx(6000.0), Provenance.ESTIMATED)
    gone = spent(Measured(STEPS, clock=clock), clock, 1.0, from_s=20.0)
    assert (gone.mj, gone.provenance) == (pytest.approx(2000.0), Provenance.ESTIMATED)
