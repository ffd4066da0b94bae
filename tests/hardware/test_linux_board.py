import errno
import os
from pathlib import Path

import pytest

from hardware.board import Board
from hardware.boards import open_board
from hardware.clock import VirtualClock
from hardware.fakes.cpufreq import FakeCpufreq
from hardware.power.scripted import ScriptedMeter, Step
from hardware.throttling import Slowdown, Throttling
from protocol.configuration import Provenance
from protocol.errors import InvalidInput, NotAllowed, NotFound
from protocol.work import Work


def open_below(sys: Path) -> Board:
    clock = VirtualClock()
    cpus = FakeCpufreq(sys, (600_000, 1_800_000))
    return open_board("linux", meter=meter(), sys=sys, write=cpus.write, clock=clock, sleep=clock.sleep)


def meter() -> ScriptedMeter:
    return ScriptedMeter([Step(0, 4.0)])


def firmware(sys: Path, word: str) -> None:
    folder = sys / "devices/platform/soc/soc:firmware"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "get_throttled").write_text(word + "\n")


def test_its_times_are_measured_and_its_power_is_what_the_meter_says(tmp_path):
    board = open_below(tmp_path)

    assert board.provenance is Provenance.MEASURED
    assert board.meter.read().watts == 4.0


def test_a_board_that_is_given_no_meter_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="power meter"):
        open_board("linux", sys=tmp_path)


def test_a_machine_without_settable_clocks_is_no_board(tmp_path):
    with pytest.raises(NotFound, match="CPU clock"):
        open_board("linux", meter=meter(), sys=tmp_path)


def test_a_board_whose_clock_this_user_may_not_set_is_refused_at_once(tmp_path, monkeypatch):
    FakeCpufreq(tmp_path, (600_000, 1_800_000))
    real = os.open

    def refused(path, flags, *arguments, **named):
        if str(path).endswith("scaling_max_freq") and flags & os.O_WRONLY:
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return real(path, flags, *arguments, **named)

    monkeypatch.setattr(os, "open", refused)

    with pytest.raises(NotAllowed, match=r"read-only.*ProtectKernelTunables=no"):
        open_board("linux", meter=meter(), sys=tmp_path)


def test_any_number_of_threads_and_any_kind_of_work_runs(tmp_path):
    board = open_below(tmp_path)

    assert board.execute(Work({"conv/int16": 1}), lambda: "answer", threads=4) == "answer"


@pytest.mark.parametrize(
    ("word", "slowed"), [("0", False), ("1", True), ("4", True), ("8", True), ("50000", False), ("50005", True)]
)
def test_the_firmware_tells_what_is_now_apart_from_what_was(tmp_path, word, slowed):
    firmware(tmp_path, word)

    assert bool(Throttling(tmp_path).look().now) is slowed


def test_a_board_is_slowed_down_when_its_firmware_says_so(tmp_path):
    firmware(tmp_path, "4")

    assert open_below(tmp_path).slowdown().now == ("throttled",)


def test_a_core_that_was_throttled_between_two_looks_is_noticed(tmp_path):
    folder = tmp_path / "devices/system/cpu/cpu3/thermal_throttle"
    folder.mkdir(parents=True)
    (folder / "core_throttle_count").write_text("7\n")
    throttling = Throttling(tmp_path)

    before = throttling.look()
    (folder / "core_throttle_count").write_text("8\n")
    after = throttling.look()

    assert (after.since(before), throttling.look().since(after)) == (("cores too hot",), ())


def test_a_machine_that_cannot_tell_is_not_slowed_down(tmp_path):
    assert Throttling(tmp_path).look() == Slowdown()
