"""When a meter is sampled, and what becomes of one that gets lost."""

from __future__ import annotations

from itertools import pairwise

import pytest

from edge.metering.ring import Kind
from edge.metering.sampler_here import SamplerHere
from edge.metering.sampler_process import REOPEN_S, ReopenedMeter
from edge.metering.sampling import Found, Lost, Sampling
from hardware.clock import VirtualClock
from hardware.power.meter import MeterLost, Reading
from hardware.power.scripted import ScriptedMeter, Step

STEADY = (Step(0.0, 3.0),)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(100.0)


def spacings(sampler, since_s):
    return [after.at_s - before.at_s for before, after in pairwise(sampler.ring.since(since_s))]


def sampler_of(clock, steps=STEADY, **meter) -> SamplerHere:
    return SamplerHere(ScriptedMeter(steps, clock=clock, **meter), clock=clock)


def test_an_idle_meter_is_sampled_ten_times_a_second(clock):
    for counts_joules in (True, False):
        sampler, began_s = sampler_of(clock, counts_joules=counts_joules, period_s=0.001), clock()
        sampler.sleep(10.0)
        assert spacings(sampler, began_s) == pytest.approx([0.1] * 99)


def test_a_nudge_is_a_sample_at_once(clock):
    sampler = sampler_of(clock, counts_joules=True)
    sampler.sleep(0.437)
    sampler.nudge()
    assert sampler.ring.latest().at_s == clock()


def test_bare_watts_are_taken_densely_from_a_nudge_on(clock):
    sampler = sampler_of(clock, period_s=0.001)
    sampler.sleep(5.0)
    sampler.nudge()
    nudged_s = clock()
    sampler.sleep(3.0)
    found = spacings(sampler, nudged_s)
    assert min(found) == pytest.approx(0.02)
    assert max(found) <= 0.1 + 1e-9
    assert found == pytest.approx(sorted(found))


def test_bare_watts_are_not_taken_more_often_than_the_meter_has_new_ones(clock):
    sampler = sampler_of(clock, period_s=0.07)
    sampler.nudge()
    sampler.sleep(0.5)
    assert min(spacings(sampler, clock() - 0.5)) == pytest.approx(0.07)


def test_a_value_that_was_shown_before_is_no_sample(clock):
    class Slow(ScriptedMeter):
        def read(self):
            reading = super().read()
            return Reading(reading.watts, None, reading.at_s // 2.0 * 2.0)

    sampler = SamplerHere(Slow(STEADY, clock=clock, period_s=2.0), clock=clock)
    sampler.sleep(7.0)
    assert [slot.at_s for slot in sampler.ring.since(0.0)] == [100.0, 102.0, 104.0, 106.0]


def test_a_lost_meter_is_told_once_asked_every_second_and_found_again(clock):
    sampler = sampler_of(clock, (Step(0.0, 3.0), Step(0.95, None), Step(4.5, 3.0)), counts_joules=True)
    sampler.sleep(3.5)
    sampler.nudge()
    lost = [slot.at_s for slot in sampler.ring.since(0.0) if slot.kind is Kind.LOST]
    assert lost == pytest.approx([101.0, 102.0, 103.0])
    sampler.sleep(2.0)
    assert [type(fact) for fact in sampler.facts] == [Lost, Found]
    assert sampler.ring.latest().kind is Kind.COUNTER


def test_being_kept_from_sampling_is_counted_and_a_gap_where_nothing_counts_on(clock):
    for counts_joules, gaps in ((True, 0), (False, 1)):
        sampler = sampler_of(clock, counts_joules=counts_joules)
        sampler.sleep(1.0)
        clock.sleep(0.35)
        sampler.sleep(1.0)
        stalls, longest_s = sampler.ring.stalls
        assert (stalls, sampler.ring.latest().gaps) == (1, gaps)
        assert 0.3 < longest_s < 0.46


def test_a_new_sampler_counts_on_where_the_one_before_ended(clock):
    sampler = sampler_of(clock, counts_joules=True)
    sampler.sleep(2.0)
    clock.sleep(1.0)
    again = Sampling(ScriptedMeter(STEADY, clock=clock, counts_joules=True), sampler.ring, print, clock=clock)
    again.sample()
    latest = sampler.ring.latest()
    assert (latest.joules, latest.gaps) == (pytest.approx(9.0), 1)


class Gone:
    """A meter that is lost; opened again, it is another."""

    period_s = 0.0
    closed = False

    def read(self):
        raise MeterLost("unplugged")

    def close(self):
        self.closed = True


def test_a_meter_that_stays_lost_is_opened_anew_with_growing_patience(clock):
    opened, at_s = [], []

    def opener():
        at_s.append(clock())
        opened.append(Gone() if len(opened) < 2 else ScriptedMeter(STEADY, clock=clock))
        return opened[-1]

    meter = ReopenedMeter(opener, clock=clock, sleep=clock.sleep, tell=print)
    for _ in range(31):
        with pytest.raises(MeterLost):
            meter.read()
        clock.sleep(1.0)
    assert meter.read().watts == 3.0
    assert at_s == [100.0, 100.0 + REOPEN_S, 100.0 + 3 * REOPEN_S]
    assert [each.closed for each in opened[:2]] == [True, True]


def test_a_meter_that_does_not_answer_yet_is_waited_for(clock):
    answers, told = iter([MeterLost("no plug yet"), MeterLost("no plug yet"), None]), []

    def opener():
        if error := next(answers):
            raise error
        return ScriptedMeter(STEADY, clock=clock)

    meter = ReopenedMeter(opener, clock=clock, sleep=clock.sleep, tell=told.append)
    assert meter.read().watts == 3.0
    assert told == [Lost("no plug yet")]
