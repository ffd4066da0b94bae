"""What holds for every power meter."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hardware.boards import device_model, open_board
from hardware.clock import VirtualClock
from hardware.fakes.nvml import FakeNvml
from hardware.fakes.plugs import FakeShelly1, FakeShelly2, FakeTasmota
from hardware.fakes.programs import FakePrograms
from hardware.power.command import command_meter
from hardware.power.estimated import EstimatedMeter
from hardware.power.hwmon import HwmonMeter
from hardware.power.iio import IioMeter
from hardware.power.meter import MeterLost, PowerMeter
from hardware.power.nvml import NvmlMeter
from hardware.power.plug import PlugMeter
from hardware.power.pmic import pmic_meter
from hardware.power.rapl import RaplMeter
from hardware.power.scripted import ScriptedMeter, Step
from hardware.power.shelly import shelly1, shelly2
from hardware.power.tasmota import tasmota
from protocol.bus import InMemoryBus, InMemoryHub
from protocol.configuration import Provenance

WATTS = 2.5


@dataclass
class Bench:
    """A meter in a world where a known power is drawn, with the means to let time pass there, and to take the meter away and
    give it back."""

    meter: PowerMeter
    clock: VirtualClock
    pass_time: Callable[[float], None]
    take_away: Callable[[], object] | None = None
    give_back: Callable[[], object] | None = None
    watts: float = WATTS


def scripted(tmp_path) -> Bench:
    clock = VirtualClock()
    meter = ScriptedMeter([Step(0, WATTS), Step(1000, None), Step(1100, WATTS)], clock=clock, counts_joules=True)
    return Bench(meter, clock, clock.sleep, lambda: clock.sleep(1000), lambda: clock.sleep(100))


def scripted_with_a_period(tmp_path) -> Bench:
    clock = VirtualClock()
    meter = ScriptedMeter([Step(0, WATTS), Step(1000, None), Step(1100, WATTS)], clock=clock, period_s=0.2)
    return Bench(meter, clock, clock.sleep, lambda: clock.sleep(1000.2), lambda: clock.sleep(100))


def emulated(tmp_path) -> Bench:
    clock = VirtualClock()
    board = open_board("emulated-pi4", clock=clock, sleep=clock.sleep)
    return Bench(board.meter, clock, clock.sleep, watts=3.79)


def estimated(tmp_path) -> Bench:
    clock = VirtualClock()
    meter = EstimatedMeter(device_model("emulated-pi4").power, cpu_khz=600_000, clock=clock)
    meter.busy(1_000_000)
    return Bench(meter, clock, clock.sleep, watts=3.37)


def hwmon(tmp_path) -> Bench:
    clock, power = VirtualClock(), tmp_path / "power1_input"
    power.write_text("2500000\n")
    meter = HwmonMeter(tmp_path, clock=clock)
    return Bench(meter, clock, clock.sleep, power.unlink, lambda: power.write_text("2500000\n"))


def hwmon_without_power(tmp_path) -> Bench:
    clock, volts = VirtualClock(), tmp_path / "in1_input"
    volts.write_text("5000\n")
    (tmp_path / "curr1_input").write_text("500\n")
    meter = HwmonMeter(tmp_path, clock=clock)
    return Bench(meter, clock, clock.sleep, volts.unlink, lambda: volts.write_text("5000\n"))


def iio(tmp_path) -> Bench:
    clock, raw = VirtualClock(), tmp_path / "in_power2_raw"
    raw.write_text("125\n")
    (tmp_path / "in_power2_scale").write_text("20.000000000\n")
    return Bench(IioMeter(tmp_path, clock=clock), clock, clock.sleep, raw.unlink, lambda: raw.write_text("125\n"))


def rapl(tmp_path) -> Bench:
    """Counters that follow the clock, near the end of their range."""
    clock, energy = VirtualClock(), tmp_path / "energy_uj"
    (tmp_path / "max_energy_range_uj").write_text("9000000\n")
    energy.write_text("")

    def pass_time(seconds):
        clock.sleep(seconds)
        if energy.exists():
            energy.write_text(f"{int(8_999_000 + clock() * 2.5e6) % 9_000_000}\n")

    def take_away():
        pass_time(1)
        energy.unlink()

    def give_back():
        energy.touch()
        pass_time(1)

    pass_time(0)
    return Bench(RaplMeter([tmp_path], clock=clock, sleep=pass_time), clock, pass_time, take_away, give_back)


def nvml(tmp_path, *, counts=True) -> Bench:
    clock = VirtualClock()
    module = FakeNvml(WATTS, clock=clock, counts=counts)
    meter = NvmlMeter(nvml=module, clock=clock)
    return Bench(
        meter, clock, clock.sleep, lambda: setattr(module, "lost", True), lambda: setattr(module, "lost", False)
    )


def nvml_without_a_count(tmp_path) -> Bench:
    return nvml(tmp_path, counts=False)


RAILS = [("VDD_CORE", 1.0, 2.0), ("3V7_WL_SW", 0.1, 5.0)]


def pmic(tmp_path) -> Bench:
    """As the firmware prints it today: channels with numbers and units, and two that are no rails."""
    currents = [f" {rail}_A current({n})={amperes:.8f}A" for n, (rail, amperes, _) in enumerate(RAILS)]
    volts = [f" {rail}_V volt({n})={volts:.8f}V" for n, (rail, _, volts) in enumerate(RAILS, start=8)]
    output = "\n".join([*currents, *volts, "  EXT5V_V volt(24)=5.08530000V", "   BATT_V volt(25)=0.00000000V", ""])
    return run(pmic_meter, lambda _: output)


def pmic_with_plain_numbers(tmp_path) -> Bench:
    output = "\n".join(f"{rail}_A={amperes}\n{rail}_V={volts}" for rail, amperes, volts in RAILS) + "\nEXT5V_V=5.0853\n"
    return run(pmic_meter, lambda _: output)


def command(tmp_path) -> Bench:
    return run(lambda **world: command_meter("watts", **world), lambda _: "2.5\n")


def command_that_counts(tmp_path) -> Bench:
    def prints(at_s):
        return json.dumps({"watts": WATTS, "joules": 77 + WATTS * at_s})

    return run(lambda **world: command_meter("watts", **world), prints)


def run(make, prints) -> Bench:
    """A meter that runs a program, read every 10 ms as by a sampler."""
    clock = VirtualClock()
    programs = FakePrograms(prints, clock=clock)
    meter = make(start=programs.start, clock=clock, sleep=clock.sleep)

    def pass_time(seconds):
        until_s = clock() + seconds
        while clock() < until_s - 1e-9:
            clock.sleep(min(0.01, until_s - clock()))
            try:
                meter.read()
            except MeterLost:
                continue

    def fail(failing):
        programs.failing = failing
        pass_time(2.5)

    return Bench(meter, clock, pass_time, lambda: fail(True), lambda: fail(False))


def shelly_1(tmp_path) -> Bench:
    return on_a_broker(FakeShelly1, shelly1)


def shelly_2(tmp_path) -> Bench:
    return on_a_broker(FakeShelly2, shelly2)


def tasmota_plug(tmp_path) -> Bench:
    return on_a_broker(FakeTasmota, tasmota)


def on_a_broker(make_plug, protocol) -> Bench:
    clock, hub = VirtualClock(), InMemoryHub()
    its_bus, our_bus = InMemoryBus(hub), InMemoryBus(hub)
    plug = make_plug(its_bus, "plug-7", watts=WATTS)
    meter = PlugMeter(our_bus, protocol("plug-7"), clock=clock, sleep=clock.sleep)
    its_bus.start()
    our_bus.start()

    def plugged(there):
        plug.plugged = there
        clock.sleep(30)

    return Bench(meter, clock, clock.sleep, lambda: plugged(False), lambda: plugged(True))


LOSABLE = [
    scripted,
    scripted_with_a_period,
    hwmon,
    hwmon_without_power,
    iio,
    rapl,
    nvml,
    nvml_without_a_count,
    pmic,
    pmic_with_plain_numbers,
    command,
    command_that_counts,
    shelly_1,
    shelly_2,
    tasmota_plug,
]
MAKERS = [emulated, estimated, *LOSABLE]


@pytest.fixture(params=MAKERS, ids=lambda make: make.__name__)
def bench(request, tmp_path) -> Bench:
    return request.param(tmp_path)


@pytest.fixture(params=LOSABLE, ids=lambda make: make.__name__)
def losable(request, tmp_path) -> Bench:
    return request.param(tmp_path)


def test_a_reading_is_in_watts_from_the_first_on(bench):
    first = bench.meter.read().watts
    bench.pass_time(1)

    assert first == pytest.approx(bench.watts, rel=1e-3)
    assert bench.meter.read().watts == pytest.approx(bench.watts, rel=1e-3)


def test_two_readings_at_once_agree(bench):
    bench.pass_time(1)

    assert bench.meter.read() == bench.meter.read()


def test_readings_never_go_back_in_time_nor_come_from_the_future(bench):
    stamps = []
    for _ in range(20):
        bench.pass_time(0.3)
        stamps.append(bench.meter.read().at_s)

        assert stamps[-1] <= bench.clock()
    assert stamps == sorted(stamps)


def test_what_is_read_is_no_older_than_the_period_says(bench):
    """A period and the moment that the answer took."""
    bench.meter.read()
    for _ in range(20):
        bench.pass_time(0.3)

        assert bench.clock() - bench.meter.read().at_s <= bench.meter.period_s + 0.05


def test_a_joule_counter_counts_what_was_drawn_and_never_goes_back(bench):
    readings = []
    for _ in range(12):
        bench.pass_time(1)
        readings.append(bench.meter.read())

    joules = [reading.joules for reading in readings]
    if None in joules:
        assert set(joules) == {None}
    else:
        assert joules == sorted(joules)
        seconds = readings[-1].at_s - readings[0].at_s
        assert joules[-1] - joules[0] == pytest.approx(
            bench.watts * seconds, abs=bench.watts * bench.meter.period_s + 0.05
        )


def test_a_meter_tells_its_provenance_and_period(bench):
    assert isinstance(bench.meter.provenance, Provenance)
    assert bench.meter.period_s >= 0


def test_a_vanished_meter_is_lost_not_zero(losable):
    losable.meter.read()

    losable.take_away()

    with pytest.raises(MeterLost):
        losable.meter.read()


def test_a_meter_that_comes_back_goes_on_where_it_was(losable):
    losable.pass_time(1)
    before = losable.meter.read()
    losable.take_away()
    with pytest.raises(MeterLost):
        losable.meter.read()

    losable.give_back()
    losable.pass_time(1)
    after = losable.meter.read()

    assert after.watts == pytest.approx(losable.watts, rel=1e-3)
    assert after.at_s > before.at_s
    assert (after.joules is None) == (before.joules is None)
    assert (after.joules or 0) >= (before.joules or 0)
