import errno
from pathlib import Path

import pytest

from hardware.clock import VirtualClock
from hardware.power.hwmon import HwmonMeter, find_sensor
from hardware.power.meter import MeterLost
from hardware.power.present import find_meter
from hardware.power.rapl import RaplMeter, find_packages
from protocol.errors import NotAllowed, NotFound


def sensor(sys: Path, *, name: str = "ina219", number: int = 0, microwatts: int = 3_000_000) -> Path:
    folder = sys / f"class/hwmon/hwmon{number}"
    folder.mkdir(parents=True)
    (folder / "name").write_text(name + "\n")
    (folder / "power1_input").write_text(f"{microwatts}\n")
    return folder


def package(sys: Path, zone: str, *, name: str = "package-0", microjoules: int = 0) -> Path:
    folder = sys / "class/powercap" / zone
    folder.mkdir(parents=True)
    (folder / "name").write_text(name + "\n")
    (folder / "max_energy_range_uj").write_text("1000000\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    return folder


def test_a_sensor_is_found_by_its_chip_among_others(tmp_path):
    sensor(tmp_path, name="cpu_thermal", number=0)
    wanted = sensor(tmp_path, name="ina226", number=1)

    assert find_sensor(tmp_path) == wanted


def test_a_chip_that_averages_tells_its_period(tmp_path):
    folder = sensor(tmp_path, name="ina226")
    (folder / "update_interval").write_text("35\n")

    assert HwmonMeter(folder).period_s == 0.035


def test_a_sensor_that_fails_to_answer_is_lost(tmp_path):
    folder = sensor(tmp_path)
    (folder / "power1_input").write_text("\n")

    with pytest.raises(MeterLost, match="power1_input"):
        HwmonMeter(folder).read()


def test_packages_are_counted_once_without_their_parts(tmp_path):
    package(tmp_path, "intel-rapl:1", name="package-1")
    package(tmp_path, "intel-rapl:0", name="package-0")
    package(tmp_path, "intel-rapl:0:0", name="core")
    package(tmp_path, "intel-rapl:2", name="psys")
    package(tmp_path, "intel-rapl-mmio:0", name="package-0")

    assert [folder.name for folder in find_packages(tmp_path)] == ["intel-rapl:0", "intel-rapl:1"]


def test_a_counter_that_wraps_goes_on(tmp_path):
    clock = VirtualClock()
    folders = [package(tmp_path, f"intel-rapl:{number}", microjoules=900_000) for number in (0, 1)]
    meter = RaplMeter(folders, clock=clock, sleep=clock.sleep)

    clock.sleep(1)
    (folders[0] / "energy_uj").write_text("950000\n")
    (folders[1] / "energy_uj").write_text("100000\n")
    reading = meter.read()

    assert reading.joules == pytest.approx(0.05 + 0.2)
    assert reading.watts == pytest.approx(0.25)


def test_counters_that_only_root_may_read_are_refused_with_what_to_do(tmp_path, monkeypatch):
    folder = package(tmp_path, "intel-rapl:0")
    real = Path.read_text

    def read_text(path, *arguments, **named):
        if path == folder / "energy_uj":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *arguments, **named)

    monkeypatch.setattr(Path, "read_text", read_text)

    with pytest.raises(NotAllowed, match=r"energy_uj: Permission denied; run as root"):
        find_meter(tmp_path)


def test_a_sensor_in_the_supply_is_preferred_to_the_processors_counters(tmp_path):
    package(tmp_path, "intel-rapl:0")
    sensor(tmp_path, microwatts=7_000_000)

    assert find_meter(tmp_path).read().watts == 7.0


def test_the_processors_counters_serve_where_there_is_no_sensor(tmp_path):
    package(tmp_path, "intel-rapl:0")

    assert isinstance(find_meter(tmp_path), RaplMeter)


def test_a_machine_without_a_meter_is_refused_rather_than_guessed(tmp_path):
    with pytest.raises(NotFound, match=r"no power meter found.*ina219.*powercap"):
        find_meter(tmp_path)
