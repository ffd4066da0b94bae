from pathlib import Path

import pytest

from hardware.board import Board
from hardware.boards import open_board
from hardware.clock import VirtualClock
from hardware.fakes.cpufreq import FakeCpufreq
from hardware.throttling import Throttling
from protocol.configuration import Provenance
from protocol.errors import NotFound
from protocol.work import Work


def open_below(sys: Path) -> Board:
    clock = VirtualClock()
    cpus = FakeCpufreq(sys, (600_000, 1_800_000))
    return open_board("linux", sys=sys, write=cpus.write, clock=clock, sleep=clock.sleep)


def with_sensor(sys: Path) -> Path:
    sensor = sys / "class/hwmon/hwmon0"
    sensor.mkdir(parents=True)
    (sensor / "name").write_text("ina219\n")
    (sensor / "power1_input").write_text("4000000\n")
    return sys


def firmware(sys: Path, word: str) -> None:
    folder = sys / "devices/platform/soc/soc:firmware"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "get_throttled").write_text(word + "\n")


def test_what_is_there_is_measured(tmp_path):
    board = open_below(with_sensor(tmp_path))

    assert (board.provenance, board.meter.provenance) == (Provenance.MEASURED, Provenance.MEASURED)
    assert board.meter.read().watts == 4.0


def test_a_machine_without_a_meter_is_no_board(tmp_path):
    with pytest.raises(NotFound, match="no power meter"):
        open_below(tmp_path)


def test_a_machine_without_settable_clocks_is_no_board(tmp_path):
    with pytest.raises(NotFound, match="CPU clock"):
        open_board("linux", sys=with_sensor(tmp_path))


def test_any_number_of_threads_and_any_kind_of_work_runs(tmp_path):
    board = open_below(with_sensor(tmp_path))

    assert board.execute(Work({"conv/int16": 1}), lambda: "answer", threads=4) == "answer"


@pytest.mark.parametrize(
    ("word", "throttled"), [("0", False), ("1", True), ("4", True), ("8", True), ("50000", False), ("50005", True)]
)
def test_the_firmware_tells_throttling_now_apart_from_throttling_before(tmp_path, word, throttled):
    firmware(tmp_path, word)

    assert Throttling(tmp_path).now() is throttled


def test_a_board_is_throttled_when_its_firmware_says_so(tmp_path):
    firmware(tmp_path, "4")

    assert open_below(with_sensor(tmp_path)).throttled() is True


def test_a_core_that_was_throttled_since_the_last_look_counts_once(tmp_path):
    folder = tmp_path / "devices/system/cpu/cpu3/thermal_throttle"
    folder.mkdir(parents=True)
    (folder / "core_throttle_count").write_text("7\n")
    throttling = Throttling(tmp_path)

    before = throttling.now()
    (folder / "core_throttle_count").write_text("8\n")

    assert (before, throttling.now(), throttling.now()) == (False, True, False)


def test_a_machine_that_cannot_tell_is_not_throttled(tmp_path):
    assert Throttling(tmp_path).now() is False
