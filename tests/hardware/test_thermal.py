from pathlib import Path

import pytest

from hardware.fakes.kernel_trees import make_pi5
from hardware.thermal import CpuTemperature
from hardware.throttling import Slowdown, Throttling


def zone(sys: Path, number: int, kind: str, temp: str) -> None:
    folder = sys / f"class/thermal/thermal_zone{number}"
    folder.mkdir(parents=True)
    (folder / "type").write_text(kind + "\n")
    (folder / "temp").write_text(temp + "\n")


def test_the_processors_temperature_is_read_in_degrees(tmp_path):
    tree = make_pi5(tmp_path)
    tree.heat(61.25)

    assert CpuTemperature(tmp_path).read_c() == 61.25


def test_the_processors_zone_is_told_from_others(tmp_path):
    zone(tmp_path, 0, "acpitz", "27800")
    zone(tmp_path, 1, "iwlwifi_1", "40000")
    zone(tmp_path, 2, "x86_pkg_temp", "55000")

    assert CpuTemperature(tmp_path).read_c() == 55.0


@pytest.mark.parametrize("temp", ["", "hot"])
def test_a_zone_that_cannot_tell_is_unknown(tmp_path, temp):
    zone(tmp_path, 0, "cpu-thermal", temp)

    assert CpuTemperature(tmp_path).read_c() is None


def test_a_machine_without_a_zone_of_its_processor_does_not_know(tmp_path):
    zone(tmp_path, 0, "acpitz", "27800")

    assert CpuTemperature(tmp_path).read_c() is None


def test_the_firmwares_word_is_told_in_words(tmp_path):
    tree = make_pi5(tmp_path)
    tree.throttle(0x50009)

    look = Throttling(tmp_path).look()

    assert look.now == ("under-voltage", "soft temperature limit")
    assert look.ever == ("under-voltage", "throttled", "soft temperature limit")


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (Slowdown(), Slowdown(), ()),
        (Slowdown(0x2), Slowdown(0x20000), ("clock capped",)),
        (Slowdown(), Slowdown(0x40000), ("throttled",)),
        (Slowdown(0x40000), Slowdown(0x40000), ()),
        (Slowdown(None), Slowdown(0x50000), ()),
        (Slowdown(0x50000), Slowdown(None), ()),
        (Slowdown(None), Slowdown(0x50004), ("throttled",)),
        (Slowdown(count=7), Slowdown(count=7), ()),
        (Slowdown(count=7), Slowdown(count=8), ("cores too hot",)),
    ],
)
def test_what_slowed_a_machine_down_between_two_looks(before, after, words):
    assert after.since(before) == words
