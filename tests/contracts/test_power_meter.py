"""What holds for every power meter."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hardware.boards import open_board
from hardware.clock import VirtualClock
from hardware.power.hwmon import HwmonMeter
from hardware.power.meter import MeterLost, PowerMeter
from hardware.power.rapl import RaplMeter
from hardware.power.scripted import ScriptedMeter, Step
from protocol.configuration import Provenance


@dataclass
class Bench:
    """A meter in a world where 2.5 W are drawn, with the means to let time pass there and to take the meter away."""

    meter: PowerMeter
    watts: float
    pass_time: Callable[[float], None]
    take_away: Callable[[], None] | None = None


def scripted(tmp_path) -> Bench:
    clock = VirtualClock()
    meter = ScriptedMeter([Step(0, 2.5), Step(1000, None)], clock=clock, counts_joules=True)
    return Bench(meter, 2.5, clock.sleep, lambda: clock.sleep(1000))


def scripted_with_a_period(tmp_path) -> Bench:
    clock = VirtualClock()
    meter = ScriptedMeter([Step(0, 2.5), Step(1000, None)], clock=clock, period_s=0.2)
    return Bench(meter, 2.5, clock.sleep, lambda: clock.sleep(1000.2))


def emulated(tmp_path) -> Bench:
    clock = VirtualClock()
    board = open_board("emulated-pi4", clock=clock, sleep=clock.sleep)
    return Bench(board.meter, 3.79, clock.sleep)


def hwmon(tmp_path) -> Bench:
    clock = VirtualClock()
    power = tmp_path / "power1_input"
    power.write_text("2500000\n")
    return Bench(HwmonMeter(tmp_path, clock=clock), 2.5, clock.sleep, power.unlink)


def rapl(tmp_path) -> Bench:
    """Counters that follow the clock, near the end of their range."""
    clock, energy = VirtualClock(), tmp_path / "energy_uj"
    (tmp_path / "max_energy_range_uj").write_text("9000000\n")

    def pass_time(seconds):
        clock.sleep(seconds)
        energy.write_text(f"{int(8_999_000 + clock() * 2.5e6) % 9_000_000}\n")

    def take_away():
        pass_time(1)
        energy.unlink()

    pass_time(0)
    meter = RaplMeter([tmp_path], clock=clock, sleep=pass_time)
    return Bench(meter, 2.5, pass_time, take_away)


MAKERS = [scripted, scripted_with_a_period, emulated, hwmon, rapl]
LOSABLE = [scripted, scripted_with_a_period, hwmon, rapl]


@pytest.fixture(params=MAKERS, ids=lambda make: make.__name__)
def bench(request, tmp_path) -> Bench:
    return request.param(tmp_path)


def test_a_reading_is_in_watts_from_the_first_on(bench):
    first = bench.meter.read().watts
    bench.pass_time(1)

    assert first == pytest.approx(bench.watts, rel=1e-3)
    assert bench.meter.read().watts == pytest.approx(bench.watts, rel=1e-3)


def test_two_readings_at_once_agree(bench):
    bench.pass_time(1)

    assert bench.meter.read() == bench.meter.read()


def test_readings_never_go_back_in_time(bench):
    stamps = []
    for _ in range(5):
        bench.pass_time(0.1)
        stamps.append(bench.meter.read().at_s)

    assert stamps == sorted(stamps)
    assert stamps[-1] - stamps[0] == pytest.approx(0.4)


def test_a_joule_counter_counts_what_was_drawn_and_never_goes_back(bench):
    readings = []
    for _ in range(12):
        bench.pass_time(0.5)
        readings.append(bench.meter.read())

    joules = [reading.joules for reading in readings]
    if None in joules:
        assert set(joules) == {None}
    else:
        assert joules == sorted(joules)
        assert joules[-1] - joules[0] == pytest.approx(bench.watts * 5.5, rel=1e-3)


def test_a_meter_tells_its_provenance_and_period(bench):
    assert isinstance(bench.meter.provenance, Provenance)
    assert bench.meter.period_s >= 0


@pytest.mark.parametrize("make", LOSABLE, ids=lambda make: make.__name__)
def test_a_vanished_meter_is_lost_not_zero(make, tmp_path):
    bench = make(tmp_path)
    bench.meter.read()

    bench.take_away()

    with pytest.raises(MeterLost):
        bench.meter.read()
