from pathlib import Path

import pytest

from hardware.clock import VirtualClock
from hardware.power.meter import MeterLost
from hardware.power.rapl import RaplMeter, find_counters


def counter(sys: Path, zone: str, *, name: str = "package-0", microjoules: int = 0) -> Path:
    folder = sys / "class/powercap" / zone
    folder.mkdir(parents=True)
    (folder / "name").write_text(name + "\n")
    (folder / "max_energy_range_uj").write_text("1000000\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    return folder


def test_packages_are_counted_once_without_their_parts(tmp_path):
    counter(tmp_path, "intel-rapl:1", name="package-1")
    counter(tmp_path, "intel-rapl:0", name="package-0")
    counter(tmp_path, "intel-rapl:0:0", name="core")
    counter(tmp_path, "intel-rapl-mmio:0", name="package-0")

    assert [folder.name for folder in find_counters(tmp_path)] == ["intel-rapl:0", "intel-rapl:1"]


def test_a_platform_counter_that_is_not_wired_is_left_alone(tmp_path):
    counter(tmp_path, "intel-rapl:0")
    counter(tmp_path, "intel-rapl:1", name="psys", microjoules=0)

    assert [folder.name for folder in find_counters(tmp_path)] == ["intel-rapl:0"]


def test_a_platform_counter_covers_the_packages(tmp_path):
    counter(tmp_path, "intel-rapl:0", microjoules=7)
    counter(tmp_path, "intel-rapl:1", name="psys", microjoules=9)

    assert [folder.name for folder in find_counters(tmp_path)] == ["intel-rapl:1"]


def test_a_counter_that_wraps_goes_on(tmp_path):
    clock = VirtualClock()
    folders = [counter(tmp_path, f"intel-rapl:{number}", microjoules=900_000) for number in (0, 1)]
    meter = RaplMeter(folders, clock=clock, sleep=clock.sleep)

    clock.sleep(1)
    (folders[0] / "energy_uj").write_text("950000\n")
    (folders[1] / "energy_uj").write_text("100000\n")
    reading = meter.read()

    assert reading.joules == pytest.approx(0.05 + 0.2)
    assert reading.watts == pytest.approx(0.25)


def test_what_was_drawn_while_a_counter_was_away_is_not_counted(tmp_path):
    """Nobody knows how often it wrapped."""
    clock = VirtualClock()
    folders = [counter(tmp_path, f"intel-rapl:{number}", microjoules=100_000) for number in (0, 1)]
    meter = RaplMeter(folders, clock=clock, sleep=clock.sleep)

    clock.sleep(1)
    (folders[0] / "energy_uj").write_text("200000\n")
    (folders[1] / "energy_uj").unlink()
    with pytest.raises(MeterLost):
        meter.read()
    clock.sleep(600)
    (folders[1] / "energy_uj").write_text("50000\n")

    assert meter.read().joules == 0.0
