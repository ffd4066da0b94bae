"""What holds for the energy of windows, whatever kind of meter is behind it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.metering.energy import Energies
from edge.metering.gauge import DirectGauge
from edge.metering.sampled_gauge import SampledGauge
from edge.metering.sampler_here import SamplerHere
from hardware.clock import VirtualClock
from hardware.power.scripted import ScriptedMeter, Step
from protocol.configuration import Provenance

START_S = 50.0


class Measured(ScriptedMeter):
    """As if a real meter said so."""

    provenance = Provenance.MEASURED


@dataclass
class Bench:
    """Windows on a meter whose script of steps begins now, the means to let time pass there, and what was counted between
    two moments."""

    energies: Energies
    sleep: Callable[[float], None]
    counted_mj: Callable[[float, float], float]


def counted(steps, **meter) -> Bench:
    """An exact counter in this process."""
    clock = VirtualClock(START_S)
    gauge = DirectGauge(Measured(steps, clock=clock, counts_joules=True, **meter), clock=clock)
    return Bench(Energies(gauge), clock.sleep, lambda began_s, ended_s: drawn_mj(steps, began_s, ended_s))


def sampled(steps, *, counts_joules=True, answers_s=0.0, **meter) -> Bench:
    clock = VirtualClock(START_S)
    scripted = Measured(steps, clock=clock, counts_joules=counts_joules, **meter)
    sampler = SamplerHere(scripted, clock=clock, answers_s=answers_s)
    gauge = SampledGauge(sampler, clock=clock)

    def counted_mj(began_s, ended_s):
        return (gauge.counted(ended_s).joules - gauge.counted(began_s).joules) * 1e3

    return Bench(Energies(gauge), sampler.sleep, counted_mj)


def drawn_mj(steps, began_s, ended_s):
    """The script's own energy."""
    ends = [*(step.from_s for step in steps[1:]), math.inf]
    spans = [(START_S + step.from_s, START_S + end, step.watts) for step, end in zip(steps, ends, strict=True)]
    return sum(watts * max(0.0, min(ended_s, end) - max(began_s, start)) * 1e3 for start, end, watts in spans)


def sampled_late(steps, **meter) -> Bench:
    """A nudge is heard after half a millisecond, as in another process."""
    return sampled(steps, answers_s=0.0005, **meter)


def sampled_watts(steps, **meter) -> Bench:
    return sampled(steps, counts_joules=False, **meter)


MAKERS = [counted, sampled, sampled_late, sampled_watts]


@pytest.fixture(params=MAKERS, ids=lambda make: make.__name__)
def make(request) -> Callable[..., Bench]:
    return request.param


STEADY = (Step(0.0, 2.5),)


def asked_later(bench, *stretches):
    """Energies in mJ, asked for when the samples after their ends are there."""
    bench.sleep(0.2)
    return [stretch.energy.mj for stretch in stretches]


def test_a_lone_window_gets_all_that_was_drawn_in_it(make):
    bench = make((Step(0.0, 1.0), Step(1.0, 4.0), Step(2.0, 1.0)))
    bench.sleep(1.0)
    window = bench.energies.open()
    bench.sleep(1.0)
    stretch = window.close()
    bench.sleep(1.0)

    assert stretch.ms == pytest.approx(1000.0)
    assert stretch.energy.mj == pytest.approx(4000.0, rel=0.05)
    assert stretch.energy.provenance is Provenance.MEASURED


def test_what_windows_share_is_split_equally(make):
    bench = make(STEADY)
    first = bench.energies.open()
    bench.sleep(1.0)
    second = bench.energies.open()
    bench.sleep(2.0)
    ended_first = first.close()
    bench.sleep(3.0)

    energies = asked_later(bench, ended_first, second.close())

    assert energies == pytest.approx([2.5e3 * (1 + 1), 2.5e3 * (1 + 3)], rel=1e-3)


def test_handing_over_leaves_no_gap(make):
    bench = make(STEADY)
    head = bench.energies.open()
    bench.sleep(1.0)
    computed, waiting = head.hand_over()
    bench.sleep(2.0)
    waited = waiting.close()

    assert computed.ended_s == waited.began_s
    assert asked_later(bench, computed, waited) == pytest.approx([2500.0, 5000.0], rel=1e-3)


def test_a_request_that_fails_takes_no_share_any_more(make):
    bench = make(STEADY)
    other = bench.energies.open()
    with pytest.raises(ValueError, match="the head failed"), bench.energies.open():
        bench.sleep(1.0)
        raise ValueError("the head failed")
    bench.sleep(1.0)

    assert asked_later(bench, other.close()) == pytest.approx([2.5e3 * 1.5], rel=1e-3)


def test_closing_again_changes_nothing(make):
    bench = make(STEADY)
    window = bench.energies.open()
    bench.sleep(1.0)
    stretch = window.close()
    bench.sleep(1.0)

    assert window.close() is stretch


def test_energy_is_told_once(make):
    bench = make((Step(0.0, 1.0), Step(0.5, 9.0)))
    window = bench.energies.open()
    bench.sleep(0.45)
    stretch = window.close()
    told = stretch.energy
    bench.sleep(5.0)

    assert stretch.energy is told


@pytest.mark.parametrize(("seconds", "provenance"), [(2.4, Provenance.ESTIMATED), (2.6, Provenance.MEASURED)])
def test_a_window_shorter_than_five_periods_is_an_estimate(make, seconds, provenance):
    bench = make(STEADY, period_s=0.5)
    bench.sleep(1.0)
    window = bench.energies.open()
    bench.sleep(seconds)
    stretch = window.close()
    bench.sleep(1.0)

    assert stretch.energy.provenance is provenance


def test_while_the_meter_is_lost_its_last_power_is_taken_as_an_estimate(make):
    bench = make((Step(0.0, 2.5), Step(2.0, None)))
    bench.sleep(1.0)
    window = bench.energies.open()
    bench.sleep(4.0)
    stretch = window.close()
    bench.sleep(1.1)

    assert stretch.energy.mj == pytest.approx(10_000.0, rel=0.02)
    assert stretch.energy.provenance is Provenance.ESTIMATED


def test_a_meter_that_comes_back_measures_again(make):
    bench = make((Step(0.0, 2.5), Step(1.0, None), Step(3.0, 2.5)))
    bench.sleep(2.0)
    bench.energies.open().close()
    bench.sleep(3.0)
    window = bench.energies.open()
    bench.sleep(1.0)
    stretch = window.close()
    bench.sleep(0.2)

    assert stretch.energy.mj == pytest.approx(2500.0, rel=1e-3)
    assert stretch.energy.provenance is Provenance.MEASURED


def test_windows_of_no_length_cost_nothing(make):
    bench = make(STEADY)
    window = bench.energies.open()

    assert (window.close().energy.mj, bench.energies.open().close().ms) == (0.0, 0.0)


@pytest.mark.exhaustive(sample=1)
def test_windows_that_nobody_asks_about_do_not_pile_up(make):
    bench = make(STEADY)
    for _ in range(2000):
        bench.energies.open().close()
    window = bench.energies.open()
    bench.sleep(1.0)

    assert asked_later(bench, window.close()) == pytest.approx([2500.0], rel=1e-3)


powers = st.floats(0.1, 20.0)
scripts = st.lists(st.tuples(st.floats(0.01, 3.0), powers), min_size=1, max_size=6)
moves = st.lists(st.tuples(st.sampled_from(["open", "close", "hand over", "ask"]), st.floats(0.0, 0.7)), max_size=25)


def script_of(parts):
    starts = [0.0]
    for seconds, _ in parts[:-1]:
        starts.append(starts[-1] + seconds)
    return tuple(Step(start, watts) for start, (_, watts) in zip(starts, parts, strict=True))


def played(bench, moves):
    """Windows by a script of moves; one is open from the first to the last moment. Their stretches, asked in any order."""
    always = bench.energies.open()
    bench.sleep(0.2)
    opened, ended = [], []
    for what, pause_s in moves:
        if what == "open" or not opened:
            opened.append(bench.energies.open())
        elif what == "close":
            ended.append(opened.pop(0).close())
        elif what == "hand over":
            stretch, following = opened.pop(0).hand_over()
            ended.append(stretch)
            opened.append(following)
        elif ended:
            assert ended[-1].energy.mj >= 0
        bench.sleep(pause_s)
    ended += [window.close() for window in opened]
    return [*ended, always.close()]


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
@given(parts=scripts, moves=moves)
def test_all_shares_together_are_what_the_meter_counted(make, parts, moves):
    bench = make(script_of(parts))

    stretches = played(bench, moves)
    bench.sleep(0.2)
    together = math.fsum(stretch.energy.mj for stretch in stretches)

    counted_mj = bench.counted_mj(stretches[-1].began_s, stretches[-1].ended_s)
    early_mj = 0.0005 * 20e3 if make is sampled_late else 0.0  # what was told before the sample was there
    assert together == pytest.approx(counted_mj, rel=1e-9, abs=early_mj + 1e-6)
