"""The word of a Raspberry Pi's firmware on heat and supply: from the kernel where it passes it on, else from `vcgencmd`."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from hardware.clock import Clock, Sleep
from hardware.power.program import ChildProgram, Program, Start

logger = logging.getLogger(__name__)

COMMAND = ("vcgencmd", "get_throttled")

_TIMEOUT_S = 2.0
_LOOK_EVERY_S = 0.005
_GOOD_FOR_S = 1.0
_DEVICE_TREE = Path("firmware/devicetree/base/compatible")
_PRINTED = re.compile(r"^throttled=0x(?P<word>[0-9a-fA-F]+)\s*$")
"""https://www.raspberrypi.com/documentation/computers/os.html (vcgencmd get_throttled)."""


class Firmware(Protocol):
    """What tells the firmware's word: bits 0-3 what is now, 16-19 what was since the start. Thread-safe."""

    def word(self, *, at_once: bool = False) -> int | None:
        """The word as of now; None where it is not told. `at_once`: does not wait, and may be what was told last."""
        ...


class SilentFirmware:
    """A machine whose firmware has no such word: 0."""

    def word(self, *, at_once: bool = False) -> int:
        del at_once
        return 0


class KernelFirmware:
    """The kernel's file, in hexadecimal. Only the Raspberry Pi kernel has it, which calls it deprecated
    (https://github.com/raspberrypi/linux/pull/2706)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def word(self, *, at_once: bool = False) -> int | None:
        del at_once  # a read takes microseconds
        try:
            return int(self._path.read_text(), 16)
        except (OSError, ValueError):
            return None


def in_background(ask: Callable[[], None]) -> None:
    """Runs it in a thread of its own."""
    threading.Thread(target=ask, name="firmware", daemon=True).start()


class AskedFirmware:
    """A program that prints the word, such as `vcgencmd`, which needs the group `video` (the device /dev/vcio).

    One run at a time, ended after 2 s; a failure is logged when it begins. `at_once` gives what it printed last, and has it
    run in the `background` when that was over a second ago.
    """

    def __init__(
        self,
        command: Sequence[str] = COMMAND,
        *,
        start: Start = ChildProgram,
        background: Callable[[Callable[[], None]], None] = in_background,
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
    ) -> None:
        self._command = tuple(command)
        self._start, self._background = start, background
        self._clock, self._sleep = clock, sleep
        self._asking = threading.Lock()
        self._word: int | None = None
        self._asked_s = float("-inf")
        self._failing = False

    def word(self, *, at_once: bool = False) -> int | None:
        if not at_once:
            with self._asking:
                self._ask()
        elif self._clock() - self._asked_s > _GOOD_FOR_S:
            self._asked_s = self._clock()
            self._background(self._refresh)
        return self._word

    def _refresh(self) -> None:
        """Unless somebody asks already, and waits for the answer."""
        if self._asking.acquire(blocking=False):
            try:
                self._ask()
            finally:
                self._asking.release()

    def _ask(self) -> None:
        self._asked_s = self._clock()
        try:
            self._take(self._answer())
        except (OSError, ValueError) as error:
            self._word = None
            if not self._failing:
                logger.warning("whether heat or the supply slows this device down is not known: %s", error)
            self._failing = True

    def _take(self, printed: str) -> None:
        found = _PRINTED.match(printed.strip())
        if found is None:
            raise ValueError(f"{' '.join(self._command)} printed {printed.strip()!r:.60} instead of throttled=0x...")
        self._word, self._failing = int(found["word"], 16), False

    def _answer(self) -> str:
        """What it prints; OSError where it cannot be started, TimeoutError where it does not end, ValueError where it fails."""
        program = self._start(self._command)
        try:
            status = self._status(program)
        finally:
            program.end()
        if status:
            raise ValueError(f"{' '.join(self._command)} failed: {program.complaint() or f'status {status}'}")
        return program.output()

    def _status(self, program: Program) -> int:
        until_s = self._clock() + _TIMEOUT_S
        while (status := program.ended()) is None:
            if self._clock() >= until_s:
                raise TimeoutError(f"{' '.join(self._command)} did not end within {_TIMEOUT_S:g} s, and was ended")
            self._sleep(_LOOK_EVERY_S)
        return status


def find_firmware(sys: Path, *, asked: Callable[[], Firmware] = AskedFirmware) -> Firmware:
    """What tells the word on this machine, `sys` being the root of sysfs; `asked` is for a Raspberry Pi whose kernel has no
    such file."""
    files = sorted((sys / "devices/platform").glob("soc*/soc*:firmware/get_throttled"))
    if files:
        return KernelFirmware(files[0])
    return asked() if _is_raspberry_pi(sys) else SilentFirmware()


def _is_raspberry_pi(sys: Path) -> bool:
    """By its names, each ended by a NUL (Devicetree Specification 0.4, 2.3.1)."""
    try:
        names = (sys / _DEVICE_TREE).read_bytes().split(b"\0")
    except OSError:
        return False
    return any(name.startswith(b"raspberrypi,") for name in names)
