from pathlib import Path

import pytest

from hardware.clock import VirtualClock
from hardware.power.meter import MeterLost
from hardware.power.rapl import RaplMeter, find_counters


def counter(sys: Path, zone: str, *, name: str = "package-0", microjoules: int = 0, holds: int = 1_000_000) -> Path:
    folder = sys / "class/powercap" / zone
    folder.mkdir(parents=True)
    (folder / "name").write_text(name + "\n")
    (folder / "max_energy_range_uj").write_text(f"{holds}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    return folder


def write(folder: Path, microjoules: int) -> None:
    (folder / "energy_uj").write_text(f"{microjoules}\n")


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
    write(folders[0], 950_000)
    write(folders[1], 100_000)
    reading = meter.read()

    assert reading.joules == pytest.approx(0.05 + 0.2)
    assert reading.watts == pytest.approx(0.25)


def test_what_was_drawn_while_a_counter_was_away_is_not_counted(tmp_path):
    """Nobody knows how often it wrapped."""
    clock = VirtualClock()
    folders = [counter(tmp_path, f"intel-rapl:{number}", microjoules=100_000) for number in (0, 1)]
    meter = RaplMeter(folders, clock=clock, sleep=clock.sleep)

    clock.sleep(1)
    write(folders[0], 200_000)
    (folders[1] / "energy_uj").unlink()
    with pytest.raises(MeterLost):
        meter.read()
    clock.sleep(600)
    write(folders[1], 50_000)

    assert meter.read().joules == 0.0


def test_a_counter_that_began_again_after_a_sleep_of_the_machine_has_not_wrapped(tmp_path):
    clock = VirtualClock()
    folder = counter(tmp_path, "intel-rapl:0", microjoules=120_000_000_000, holds=262_143_328_850)
    meter = RaplMeter([folder], clock=clock, sleep=clock.sleep)
    clock.sleep(1)
    write(folder, 120_010_000_000)
    before = meter.read()

    clock.sleep(1)
    write(folder, 5_000_000)
    with pytest.raises(MeterLost, match="jumped"):
        meter.read()
    clock.sleep(1)
    write(folder, 12_000_000)
    meter.read()  # the first after a loss begins the count again
    clock.sleep(1)
    write(folder, 19_000_000)
    after = meter.read()

    assert (after.joules, after.watts) == (pytest.approx(before.joules + 7.0), pytest.approx(7.0))
