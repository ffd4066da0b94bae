from pathlib import Path

import pytest

from hardware.fakes.kernel_trees import make_pi3, make_pi4, make_pi5, make_zero2w
from hardware.fakes.lies import at_least, capped_at, honest, one_step_lower, stuck_at
from hardware.throttling import Throttling

LADDER = (600_000, 800_000, 1_000_000)


@pytest.mark.parametrize(
    ("make", "name", "ends_khz"),
    [
        (make_pi3, "raspberrypi,3-model-b-plus", (600_000, 1_400_000)),
        (make_pi4, "raspberrypi,4-model-b", (600_000, 1_800_000)),
        (make_pi5, "raspberrypi,5-model-b", (1_500_000, 2_400_000)),
        (make_zero2w, "raspberrypi,model-zero-2-w", (600_000, 1_000_000)),
    ],
)
def test_a_tree_tells_what_board_it_is_and_its_clocks(tmp_path, make, name, ends_khz):
    tree = make(tmp_path)

    told = (tmp_path / "firmware/devicetree/base/compatible").read_bytes().split(b"\0")
    clocks = (tree.cpufreq.folder / "scaling_available_frequencies").read_text().split()
    assert told[0].decode() == name
    assert (int(clocks[0]), int(clocks[-1])) == ends_khz


@pytest.mark.parametrize("make", [make_pi3, make_pi4, make_pi5, make_zero2w])
def test_the_firmwares_word_is_where_throttling_is_asked_for(tmp_path, make):
    tree = make(tmp_path)

    before = bool(Throttling(tmp_path).look().now)
    tree.throttle(0x50005)

    assert (before, bool(Throttling(tmp_path).look().now)) == (False, True)


def test_heat_shows_in_the_zone_and_in_the_sensor(tmp_path):
    make_pi4(tmp_path).heat(81.5)

    files = ("class/thermal/thermal_zone0/temp", "class/hwmon/hwmon0/temp1_input")
    assert [(tmp_path / file).read_text() for file in files] == ["81500\n", "81500\n"]


def usb_ids(sys: Path) -> set[str]:
    return {path.read_text().strip() for path in (sys / "bus/usb/devices").glob("*/idVendor")}


def test_usb_devices_come_and_go(tmp_path):
    tree = make_pi4(tmp_path)

    tree.plug_usb("1a6e", "089a")
    there = usb_ids(tmp_path)
    tree.unplug_usb()
    tree.unplug_usb()

    assert "1a6e" in there
    assert "1a6e" not in usb_ids(tmp_path)


@pytest.mark.parametrize(
    ("lie", "runs_khz"),
    [
        (honest, 800_000),
        (one_step_lower, 600_000),
        (stuck_at(1_000_000), 1_000_000),
        (capped_at(700_000), 700_000),
        (at_least(900_000), 900_000),
    ],
)
def test_a_lie_tells_the_clock_that_really_runs(lie, runs_khz):
    assert lie(800_000, LADDER) == runs_khz


def test_the_lowest_clock_has_no_step_below():
    assert one_step_lower(600_000, LADDER) == 600_000
