"""What the firmware says of heat and supply, whichever way it is asked."""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from hardware.clock import VirtualClock
from hardware.fakes.kernel_trees import make_pi4, make_pi5
from hardware.fakes.programs import FakePrograms
from hardware.firmware import AskedFirmware, Firmware, KernelFirmware, SilentFirmware, find_firmware
from hardware.throttling import Throttling


@dataclass
class Bench:
    firmware: Firmware
    path: Path

    def says(self, word: int) -> None:
        self.path.write_text(f"{word:x}\n")

    def settle(self) -> None:
        """Waits until what is said now is what a look at once tells."""
        word, until_s = int(self.path.read_text(), 16), time.monotonic() + 20
        while self.firmware.word(at_once=True) != word:
            assert time.monotonic() < until_s
            time.sleep(0.01)


def kernel(tmp_path: Path) -> Bench:
    path = tmp_path / "get_throttled"
    return Bench(KernelFirmware(path), path)


def faked(tmp_path: Path) -> Bench:
    path, clock = tmp_path / "word", VirtualClock()
    programs = FakePrograms(lambda _: f"throttled=0x{path.read_text().strip()}\n", clock=clock)
    firmware = AskedFirmware(start=programs.start, background=lambda ask: ask(), clock=clock, sleep=clock.sleep)
    return Bench(firmware, path)


def program(tmp_path: Path) -> Bench:
    path, script = tmp_path / "word", tmp_path / "vcgencmd.py"
    script.write_text(f"print('throttled=0x' + open({str(path)!r}).read().strip())")
    return Bench(AskedFirmware([sys.executable, "-S", str(script)]), path)


@pytest.fixture(params=[kernel, faked, program], ids=lambda make: make.__name__)
def bench(request, tmp_path) -> Bench:
    made: Bench = request.param(tmp_path)
    made.says(0)
    return made


def test_the_word_is_told_as_of_now(bench):
    before = bench.firmware.word()
    bench.says(0x50005)

    assert (before, bench.firmware.word()) == (0, 0x50005)


def test_a_look_at_once_tells_what_was_said_last(bench):
    bench.says(0x4)
    bench.firmware.word()

    assert bench.firmware.word(at_once=True) == 0x4


def test_looks_at_once_alone_come_to_know_what_is_said(bench):
    bench.says(0x8)

    bench.settle()


def test_a_firmware_that_does_not_answer_is_not_taken_to_say_that_all_is_well(bench):
    bench.firmware.word()
    bench.path.write_text("no word")

    assert bench.firmware.word() is None


class Asking:
    """`vcgencmd` without a process; what is to be done in the background waits in `put_off`."""

    def __init__(self) -> None:
        self.clock, self.printed, self.put_off = VirtualClock(), "throttled=0x0\n", []
        self.programs = FakePrograms(lambda _: self.printed, clock=self.clock)
        self.firmware = AskedFirmware(
            start=self.programs.start, background=self.put_off.append, clock=self.clock, sleep=self.clock.sleep
        )


@pytest.fixture
def asking():
    return Asking()


def test_a_look_at_once_starts_nothing_itself(asking):
    asking.firmware.word(at_once=True)
    asking.firmware.word(at_once=True)

    assert (asking.programs.started, len(asking.put_off)) == ([], 1)


def test_what_was_said_over_a_second_ago_is_asked_for_again(asking):
    asking.firmware.word()
    asking.clock.sleep(0.9)
    asking.firmware.word(at_once=True)
    assert asking.put_off == []

    asking.clock.sleep(0.3)
    asking.firmware.word(at_once=True)
    assert len(asking.put_off) == 1


def test_a_program_that_hangs_is_ended_and_none_is_left(asking, caplog):
    asking.programs.hanging = True
    began_s = asking.clock()
    with caplog.at_level(logging.WARNING):
        assert (asking.firmware.word(), asking.firmware.word()) == (None, None)

    assert asking.clock() - began_s < 5
    assert asking.programs.running == []
    assert [record.message for record in caplog.records] == [
        "whether heat or the supply slows this device down is not known: vcgencmd get_throttled did not end within 2 s, "
        "and was ended"
    ]


def test_what_failed_is_told_once_and_asked_again(asking, caplog):
    asking.programs.failing = True
    with caplog.at_level(logging.WARNING):
        asking.firmware.word()
        asking.firmware.word()
    asking.programs.failing, asking.printed = False, "throttled=0x2\n"

    assert len(caplog.records) == 1
    assert "device not found" in caplog.text
    assert asking.firmware.word() == 0x2


def test_without_the_program_nothing_is_known(caplog):
    with caplog.at_level(logging.WARNING):
        assert AskedFirmware(["/nowhere/vcgencmd"]).word() is None

    assert "No such file" in caplog.text


def test_a_raspberry_pi_whose_kernel_has_no_such_file_is_asked(tmp_path):
    tree = make_pi5(tmp_path)
    (tree.firmware / "get_throttled").unlink()

    class Said:
        def word(self, *, at_once: bool = False) -> int:
            return 0x4 if not at_once else 0x0

    throttling = Throttling(tmp_path, firmware=find_firmware(tmp_path, asked=Said))

    assert throttling.look().now == ("throttled",)
    assert throttling.look(at_once=True).now == ()


def test_the_kernels_file_comes_first_and_other_machines_are_not_asked(tmp_path):
    make_pi4(tmp_path / "pi")

    assert isinstance(find_firmware(tmp_path / "pi"), KernelFirmware)
    assert isinstance(find_firmware(tmp_path / "pc"), SilentFirmware)
