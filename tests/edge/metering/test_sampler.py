"""The sampler's process: whatever happens to it, the front goes on; whatever happens to the front, no process stays."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from edge.metering.energy import Energies
from edge.metering.sampled_gauge import SampledGauge
from edge.metering.sampler import Sampler
from hardware.power.meter import MeterLost
from protocol.configuration import Provenance
from protocol.errors import NotFound

pytestmark = pytest.mark.system

DEADLINE_S = 60.0


@pytest.fixture
def meters(monkeypatch):
    """The openers beside this file, where the process can import them too."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("faulty_meters")


@pytest.fixture
def start():
    started = []

    def starting(opener, **change) -> Sampler:
        started.append(Sampler(opener, **change))
        started[-1].start()
        return started[-1]

    yield starting
    for sampler in started:
        sampler.close()


def until(condition):
    """Waits until a condition holds; what it gave."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not (found := condition()):
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.005)
    return found


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def answers(sampler) -> bool:
    try:
        return bool(sampler.read())
    except MeterLost:
        return False


def test_the_front_reads_what_the_process_samples(start, meters):
    sampler = start(meters.Steady())
    until(lambda: answers(sampler))
    first = sampler.read()
    until(lambda: sampler.read().at_s > first.at_s)
    assert (sampler.provenance, sampler.period_s) == (Provenance.MEASURED, 0.001)
    assert sampler.read().watts == 3.0
    assert sampler.read().joules > first.joules


@pytest.mark.parametrize("counts_joules", [True, False])
def test_energy_of_a_window_comes_from_the_samples_around_it(start, meters, counts_joules):
    sampler = start(meters.Steady(counts_joules))
    until(lambda: answers(sampler))
    window = Energies(SampledGauge(sampler, clock=time.monotonic)).open()
    until(lambda: sampler.ring.latest().at_s > window.marks[0].at_s + 0.5)
    stretch = window.close()
    until(lambda: sampler.ring.latest().at_s > stretch.ended_s)
    assert stretch.energy.mj == pytest.approx(3.0 * stretch.ms, rel=0.02)


def test_a_meter_that_is_not_there_is_told_at_the_start(start, meters):
    with pytest.raises(NotFound, match="no power meter found in this test"):
        start(meters.refused)


def test_a_meter_that_gets_lost_is_lost_here_too_and_comes_back(start, meters, tmp_path):
    file = tmp_path / "pulled"
    sampler = start(meters.LostWhile(file))
    until(lambda: answers(sampler))
    before = sampler.read()
    file.touch()
    until(lambda: not answers(sampler))
    with pytest.raises(MeterLost, match="does not answer"):
        sampler.read()
    file.unlink()
    until(lambda: answers(sampler))
    assert sampler.read().gaps == before.gaps + 1


def test_a_process_that_dies_is_replaced_and_counts_on(start, meters, caplog):
    sampler = start(meters.Steady())
    until(lambda: answers(sampler))
    killed, before = sampler.pid, sampler.read()
    os.kill(killed, signal.SIGKILL)
    until(lambda: sampler.pid not in (None, killed))
    until(lambda: sampler.ring.latest().gaps == 1)
    assert sampler.read().joules >= before.joules
    assert sampler.stalls.restarts == 1
    assert f"died (exit code -{int(signal.SIGKILL)}); starting a new one" in caplog.text


def test_a_process_that_hangs_is_killed_and_replaced(start, meters, tmp_path, caplog):
    sampler = start(meters.HangsOnce(tmp_path / "hung"), silent_s=1.0)
    hung = int(until(lambda: (tmp_path / "hung").exists() and (tmp_path / "hung").read_text()))
    until(lambda: answers(sampler))
    assert gone(hung)
    assert "gave no sign of life for 1 s and was killed" in caplog.text


def test_neither_an_interrupt_nor_a_wish_to_end_reaches_the_process(start, meters):
    sampler = start(meters.Steady())
    until(lambda: answers(sampler))
    child, seen = sampler.pid, sampler.ring.written
    os.kill(child, signal.SIGINT)
    os.kill(child, signal.SIGTERM)
    until(lambda: sampler.ring.written > seen + 2)
    assert sampler.pid == child


def test_closing_ends_the_process(start, meters):
    sampler = start(meters.Steady())
    child = sampler.pid
    sampler.close()
    assert gone(child)


FRONT = """
import sys, time
sys.path.insert(0, sys.argv[1])
import faulty_meters
from pathlib import Path
from edge.metering.sampler import Sampler
sampler = Sampler(getattr(faulty_meters, sys.argv[2])(*map(Path, sys.argv[3:])))
sampler.start() if len(sys.argv) == 3 else sampler._thread.start()
while sampler.pid is None:
    time.sleep(0.01)
print(sampler.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("opener", ["Steady", "HangsOnce"])
def test_no_process_outlives_a_killed_front(opener, tmp_path):
    hung = tmp_path / "hung"
    arguments = [str(Path(__file__).parent), opener, *([str(hung)] if opener == "HangsOnce" else [])]
    with subprocess.Popen([sys.executable, "-c", FRONT, *arguments], stdout=subprocess.PIPE, text=True) as front:
        child = int(front.stdout.readline())
        if opener == "HangsOnce":
            until(hung.exists)
        front.kill()
    until(lambda: gone(child))


def test_the_process_stays_small(start, meters):
    sampler = start(meters.Steady())
    until(lambda: answers(sampler))
    modules = [mapped.path for mapped in psutil.Process(sampler.pid).memory_maps()]
    assert not [path for path in modules if "numpy" in path or "litert" in path]
    assert psutil.Process(sampler.pid).memory_info().rss < 30 * 2**20


def test_stalls_are_told_the_first_time_and_then_ever_less_often(start, meters, caplog):
    sampler = start(meters.Steady(), silent_s=2.0)
    sampler.ring.stalled(0.45, counts=True)
    until(lambda: "power was not sampled for up to 450 ms, 1 times so far" in caplog.text)
    sampler.ring.stalled(0.25, counts=True)
    until(lambda: "power was not sampled for up to 450 ms, 2 times so far" in caplog.text)
