import errno
import pickle
from pathlib import Path

import pytest

from hardware.clock import VirtualClock
from hardware.fakes.kernel_trees import make_pi4, make_pi5
from hardware.power.hwmon import HwmonMeter
from hardware.power.iio import IioMeter
from hardware.power.opening import KINDS, MeterSpec, close_meter, open_meter
from hardware.power.program_meter import ProgramMeter
from hardware.power.rapl import RaplMeter
from protocol.errors import InvalidInput, NotAllowed, NotFound


def sensor(sys: Path, *, name: str = "ina219", number: int = 0, microwatts: int = 3_000_000, place: str = "") -> Path:
    folder = sys / f"class/hwmon/hwmon{number}"
    folder.mkdir(parents=True)
    (folder / "name").write_text(name + "\n")
    (folder / "power1_input").write_text(f"{microwatts}\n")
    if place:
        device = sys / "bus/i2c/devices" / place
        device.mkdir(parents=True)
        (folder / "device").symlink_to(device)
    return folder


def iio_sensor(sys: Path, *, name: str = "ina226", number: int = 0) -> Path:
    folder = sys / f"bus/iio/devices/iio:device{number}"
    folder.mkdir(parents=True)
    (folder / "name").write_text(name + "\n")
    (folder / "in_power2_raw").write_text("100\n")
    (folder / "in_power2_scale").write_text("25.000000000\n")
    (folder / "in_sampling_frequency").write_text("114\n")
    return folder


def counter(sys: Path, zone: str, *, name: str = "package-0", microjoules: int = 0) -> Path:
    folder = sys / "class/powercap" / zone
    folder.mkdir(parents=True)
    (folder / "name").write_text(name + "\n")
    (folder / "max_energy_range_uj").write_text("1000000\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    return folder


def opened(sys: Path, text: str = "auto"):
    """The meter behind the look at its figures."""
    return open_meter(MeterSpec.parse(text, sys=sys)).meter


@pytest.fixture
def vcgencmd(tmp_path, monkeypatch) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "vcgencmd").write_text(
        "#!/bin/sh\necho ' VDD_CORE_A current(7)=2.0A'\necho ' VDD_CORE_V volt(15)=0.8V'\n"
    )
    (programs / "vcgencmd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")


def test_a_sensor_is_found_by_its_chip_among_others(tmp_path):
    sensor(tmp_path, name="cpu_thermal", number=0)
    wanted = sensor(tmp_path, name="ina226", number=1)

    assert opened(tmp_path).folder == wanted


def test_of_several_sensors_the_first_is_taken_and_all_are_named(tmp_path, caplog):
    sensor(tmp_path, name="ina226", number=10, place="1-0041")
    sensor(tmp_path, name="ina219", number=9)

    assert opened(tmp_path).folder.name == "hwmon9"
    assert "hwmon9 (ina219), hwmon10 (ina226 at 1-0041)" in caplog.text


@pytest.mark.parametrize("which", ["hwmon4", "ina226", "1-0041"])
def test_a_sensor_can_be_picked_by_folder_chip_or_place_on_the_bus(tmp_path, which):
    sensor(tmp_path, name="ina219", number=3, place="1-0040")
    wanted = sensor(tmp_path, name="ina226", number=4, place="1-0041")

    assert opened(tmp_path, f"hwmon:{which}").folder == wanted


def test_a_sensor_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    sensor(tmp_path, number=3)

    with pytest.raises(NotFound, match=r"'ina226' is not here; there are: hwmon3 \(ina219\)"):
        opened(tmp_path, "hwmon:ina226")


def test_a_sensor_with_volts_and_amperes_alone_counts(tmp_path):
    folder = sensor(tmp_path)
    (folder / "power1_input").unlink()
    (folder / "in1_input").write_text("5000\n")
    (folder / "curr1_input").write_text("800\n")

    assert opened(tmp_path).read().watts == 4.0


def test_a_chip_that_averages_tells_its_period(tmp_path):
    folder = sensor(tmp_path, name="ina226")
    (folder / "update_interval").write_text("35\n")

    assert HwmonMeter(folder).period_s == 0.035


def test_a_sensor_of_the_iio_driver_is_found_with_its_period(tmp_path):
    iio_sensor(tmp_path, name="ads1115", number=0)
    iio_sensor(tmp_path, number=1)

    meter = opened(tmp_path)

    assert isinstance(meter, IioMeter)
    assert (meter.folder.name, meter.read().watts) == ("iio:device1", 2.5)
    assert meter.period_s == pytest.approx(1 / 114)


def test_a_sensor_in_the_supply_is_preferred_to_all_else(tmp_path):
    counter(tmp_path, "intel-rapl:0")
    iio_sensor(tmp_path)
    sensor(tmp_path, microwatts=7_000_000)

    assert opened(tmp_path).read().watts == 7.0


def test_a_pi_5_without_a_sensor_asks_its_power_chip(tmp_path, vcgencmd):
    make_pi5(tmp_path)

    meter = opened(tmp_path)

    assert isinstance(meter, ProgramMeter)
    assert meter.read().watts == pytest.approx(1.6)
    close_meter(meter)


def test_a_pi_4_has_no_power_chip_that_tells(tmp_path, vcgencmd):
    make_pi4(tmp_path)

    with pytest.raises(NotFound, match="no power meter found"):
        opened(tmp_path)


def test_the_processors_counters_serve_where_there_is_nothing_else(tmp_path):
    counter(tmp_path, "intel-rapl:0")

    assert isinstance(opened(tmp_path), RaplMeter)


def test_counters_that_only_root_may_read_are_refused_with_what_to_do(tmp_path, monkeypatch):
    folder = counter(tmp_path, "intel-rapl:0")
    real = Path.read_text

    def read_text(path, *arguments, **named):
        if path == folder / "energy_uj":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *arguments, **named)

    monkeypatch.setattr(Path, "read_text", read_text)

    with pytest.raises(NotAllowed, match=r"energy_uj: Permission denied"):
        opened(tmp_path)


def test_a_machine_without_a_meter_is_refused_rather_than_guessed(tmp_path):
    with pytest.raises(NotFound, match=r"no power meter found.*ina219.*powercap"):
        opened(tmp_path)


@pytest.mark.parametrize("kind", ["hwmon", "iio", "rapl", "estimated"])
def test_a_kind_that_is_not_here_is_refused(tmp_path, kind):
    with pytest.raises(NotFound):
        opened(tmp_path, kind)


def test_a_kind_that_nobody_knows_is_refused_with_those_that_are_known():
    with pytest.raises(InvalidInput, match=f"meter must be one of {', '.join(KINDS)}, not 'wattmeter'"):
        MeterSpec.parse("wattmeter:1")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("exec:", "needs a command"),
        ("exec:watts 'a", "cannot be split"),
        ("rapl:1", "takes nothing"),
        ("nvml:first", "GPU's number"),
        ("shelly1:", "shelly1:NAME"),
        ("shelly2:plug/#", "shelly2:NAME"),
        ("tasmota:", "tasmota:TOPIC"),
    ],
)
def test_what_a_kind_lacks_is_said(text, complaint):
    with pytest.raises(InvalidInput, match=complaint):
        MeterSpec.parse(text)


def test_a_command_may_hold_colons(tmp_path):
    assert MeterSpec.parse("exec: watts --port /dev/ttyUSB0:9600").argument == "watts --port /dev/ttyUSB0:9600"


def test_a_spec_travels_to_another_process_and_hides_the_brokers_password():
    spec = MeterSpec.parse("shelly1:plug-7", broker_url="mqtt://user:secret@host:1883")

    assert pickle.loads(pickle.dumps(spec)) == spec
    assert "secret" not in repr(spec)
    assert str(spec) == "shelly1:plug-7"


def test_the_platforms_counter_is_preferred_where_it_counts(tmp_path):
    counter(tmp_path, "intel-rapl:0")
    platform = counter(tmp_path, "intel-rapl:1", name="psys", microjoules=5)

    clock = VirtualClock()
    meter = open_meter(MeterSpec("rapl", sys=tmp_path), clock=clock, sleep=clock.sleep)
    clock.sleep(1)
    (platform / "energy_uj").write_text("500005\n")

    assert meter.read().watts == pytest.approx(0.5)
