"""Samples in the outbox."""

from __future__ import annotations

import threading

import pytest

from edge.metering.drawn import CountedDraws
from edge.telemetry.outbox import Outbox
from edge.telemetry.samples import Samples, Senses
from hardware.clock import VirtualClock
from hardware.power.scripted import ScriptedMeter, Step
from hardware.throttling import Slowdown
from protocol.configuration import Provenance
from protocol.messages import RecordKind
from protocol.samples import Sample


class Wall:
    def now(self):
        return 1_700_000_000.0, False


@pytest.fixture
def outbox(tmp_path):
    opened = Outbox(tmp_path / "outbox.sqlite", max_bytes=1 << 20)
    yield opened
    opened.close()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(100.0)


def samples_of(outbox, clock, *, every_s=60.0, slowdown=Slowdown, temperature_c=lambda: 61.5) -> Samples:
    draws = CountedDraws(ScriptedMeter((Step(0.0, 2.0), Step(30.0, 6.0)), clock=clock, counts_joules=True))
    senses = Senses(draws, cpu_khz=lambda: 1_800_000, temperature_c=temperature_c, slowdown=slowdown)
    return Samples(senses, outbox, every_s=every_s, wall=Wall(), clock=clock)


def kept(outbox):
    batch = outbox.batch(after_id=0, max_records=100, max_bytes=1 << 20)
    return (
        [Sample.from_json(record.body) for record in batch.records if record.kind is RecordKind.SAMPLE] if batch else []
    )


def test_a_sample_tells_what_was_drawn_and_how_the_device_was(outbox, clock):
    samples = samples_of(outbox, clock)
    clock.sleep(60.0)
    samples.take()

    assert kept(outbox) == [
        Sample(1_700_000_000.0, False, 60.0, 4.0, 6.0, 240e3, Provenance.EMULATED, 1_800_000, 61.5, False)
    ]


def test_each_sample_begins_where_the_one_before_ended(outbox, clock):
    samples = samples_of(outbox, clock)
    for seconds in (10.0, 25.0):
        clock.sleep(seconds)
        samples.take()

    assert [(sample.seconds, sample.energy_mj) for sample in kept(outbox)] == [(10.0, 20e3), (25.0, 40e3 + 30e3)]


def test_a_device_that_was_slowed_down_meanwhile_was_throttled(outbox, clock):
    looks = [Slowdown(0, 7), Slowdown(0, 8), Slowdown(0, 8)]
    samples = samples_of(outbox, clock, slowdown=lambda: looks.pop(0))
    samples.take()
    samples.take()

    assert [sample.throttled for sample in kept(outbox)] == [True, False]


def test_samples_come_by_themselves_until_they_are_stopped(outbox, clock):
    third = threading.Event()
    outbox.on_append(lambda: len(outbox) == 3 and third.set())
    samples = samples_of(outbox, clock, every_s=0.001)
    samples.start()
    assert third.wait(30.0)
    samples.stop()

    assert len(kept(outbox)) >= 3


def test_what_goes_wrong_with_one_sample_does_not_end_the_others(outbox, clock, caplog):
    readings = iter([ValueError("a sensor that spoke in tongues")])
    third, taken = threading.Event(), []

    def temperature_c():
        if error := next(readings, None):
            raise error
        taken.append(61.5)
        if len(taken) == 2:
            third.set()
        return 61.5

    samples = samples_of(outbox, clock, every_s=0.001, temperature_c=temperature_c)
    samples.start()
    assert third.wait(30.0)
    samples.stop()

    assert "a sample was not taken" in caplog.text


def test_a_disk_that_takes_no_more_is_logged_once(outbox, clock, caplog):
    samples = samples_of(outbox, clock)
    outbox.close()
    samples.take()
    samples.take()

    assert caplog.text.count("samples are not kept") == 1
