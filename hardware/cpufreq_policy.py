"""One group of CPUs with a common clock: a `policyN/` folder of the kernel's cpufreq.

The attributes, and what the kernel answers: Documentation/admin-guide/pm/cpufreq.rst.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path

from hardware.board import ClockNotApplied
from hardware.sysfs import Write, not_allowed

_TABLE = "scaling_available_frequencies"

_TOLERANCE = 0.01
"""Some hardware reports the clock that it runs at a little off the one on its ladder, such as 599999 for 600000 kHz."""

_GONE = (errno.EBUSY, errno.ENOENT, errno.ENODEV)
"""What the files of a policy answer once all its CPUs were taken offline; some drivers remove the folder."""


@dataclass(frozen=True)
class PolicySettings:
    """What a user may change of a policy."""

    governor: str
    min_khz: int
    max_khz: int
    held_khz: int | None
    """What the governor `userspace` was told, None under any other."""


class Policy:
    """One policy folder. Errors: NotAllowed for want of rights, ClockNotApplied for anything else that goes wrong.

    What does not change while a kernel runs is asked for once: the clocks, and whether the governor `userspace` is there.
    """

    def __init__(self, folder: Path, write: Write) -> None:
        self.name = folder.name
        self._folder = folder
        self._write_text = write
        self._clocks_khz: tuple[int, ...] = ()
        self._lacks_userspace = False

    def online(self) -> bool:
        """Whether any of its CPUs is there to be set."""
        try:
            (self._folder / "scaling_governor").read_text(errors="replace")
        except OSError as error:
            return error.errno not in _GONE
        return True

    def clocks_khz(self) -> tuple[int, ...]:
        """The driver's table, ascending; without one, the two ends that any driver states."""
        if not self._clocks_khz:
            told = (
                {self._whole(_TABLE, text) for text in self._read(_TABLE).split()}
                if self._has_table()
                else {self._number("cpuinfo_min_freq"), self._number("cpuinfo_max_freq")}
            )
            self._clocks_khz = tuple(sorted(told))
        return self._clocks_khz

    def nearest_khz(self, khz: int) -> int:
        """The highest of its clocks that is not above this one, else its lowest."""
        clocks_khz = self.clocks_khz()
        return max((own for own in clocks_khz if own <= khz), default=clocks_khz[0])

    def check_rights(self) -> None:
        """NotAllowed when this process may not write what `hold` writes. Opening a file of the kernel changes nothing."""
        for name in ("scaling_governor", "scaling_min_freq", "scaling_max_freq"):
            path = self._folder / name
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_CLOEXEC))
            except OSError as error:
                if refusal := not_allowed(path, error):
                    raise refusal from error

    def offers_userspace(self) -> bool:
        """Whether an exact clock is held by the governor `userspace`, as far as can be told without asking for it: one whose
        module the kernel would have to load is not on its list."""
        return self._has_table() and "userspace" in self._read("scaling_available_governors").split()

    def settings(self) -> PolicySettings:
        governor = self._read("scaling_governor")
        return PolicySettings(
            governor=governor,
            min_khz=self._number("scaling_min_freq"),
            max_khz=self._number("scaling_max_freq"),
            held_khz=self._number("scaling_setspeed") if governor == "userspace" else None,
        )

    def hold(self, khz: int) -> None:
        """One of its clocks and no other, from now on."""
        if self._has_table() and self._take_over():
            low, high = self._number("scaling_min_freq"), self._number("scaling_max_freq")
            if not low <= khz <= high:
                self._limit(min(low, khz), max(high, khz))
            self._write("scaling_setspeed", str(khz))
        else:
            self._limit(khz, khz)

    def put_back(self, settings: PolicySettings) -> None:
        self._limit(settings.min_khz, settings.max_khz)
        if self._read("scaling_governor") != settings.governor:
            self._write("scaling_governor", settings.governor)
        if settings.held_khz is not None:
            self._write("scaling_setspeed", str(settings.held_khz))

    def runs_at(self, khz: int) -> bool:
        """Whether the CPUs run at a clock: by what the hardware says, else by what the kernel told the driver last.

        A driver without a table changes the clock by itself within the limits and reports momentary averages, so there
        the limits are what can be compared.
        """
        if not self._has_table():
            return self._number("scaling_min_freq") == self._number("scaling_max_freq") == khz
        return abs(self.running_khz() - khz) <= _TOLERANCE * khz

    def running_khz(self) -> int:
        """`cpuinfo_cur_freq` asks the hardware, but is for root alone unless the right is given, and not always known."""
        try:
            return int((self._folder / "cpuinfo_cur_freq").read_text())
        except (OSError, ValueError):
            return self._number("scaling_cur_freq")

    def reached_khz(self) -> int | None:
        """The clock that it runs at in the place of the one that it was set to; None where the driver only knows limits."""
        return self.running_khz() if self._has_table() else None

    def state(self) -> str:
        if self._has_table():
            return f"runs at {self.running_khz()} kHz"
        return f"is limited to {self._number('scaling_min_freq')} to {self._number('scaling_max_freq')} kHz"

    def _has_table(self) -> bool:
        return (self._folder / _TABLE).exists()

    def _take_over(self) -> bool:
        """Whether the governor `userspace` is there. Asking for it makes the kernel load its module, so ask, but only once:
        each time it starts a program."""
        if self._lacks_userspace:
            return False
        if self._read("scaling_governor") == "userspace":
            return True
        try:
            self._write("scaling_governor", "userspace")
        except _Refused:
            self._lacks_userspace = True
        return not self._lacks_userspace

    def _limit(self, min_khz: int, max_khz: int) -> None:
        """The kernel refuses a minimum above the maximum at any moment, so the order depends on where we come from."""
        if max_khz >= self._number("scaling_min_freq"):
            self._write("scaling_max_freq", str(max_khz))
            self._write("scaling_min_freq", str(min_khz))
        else:
            self._write("scaling_min_freq", str(min_khz))
            self._write("scaling_max_freq", str(max_khz))

    def _write(self, name: str, text: str) -> None:
        path = self._folder / name
        try:
            self._write_text(path, text)
        except OSError as error:
            if refusal := not_allowed(path, error):
                raise refusal from error
            if error.errno == errno.EINVAL:
                raise _Refused(f"{path}: the kernel refuses '{text}'") from error
            raise ClockNotApplied(f"{path}: '{text}' cannot be written: {error.strerror}") from error

    def _number(self, name: str) -> int:
        return self._whole(name, self._read(name))

    def _whole(self, name: str, text: str) -> int:
        if not re.fullmatch(r"[0-9]+", text):
            raise ClockNotApplied(f"{self._folder / name} says {text!r:.40} instead of a clock in kHz")
        return int(text)

    def _read(self, name: str) -> str:
        path = self._folder / name
        try:
            return path.read_text(errors="replace").strip()
        except OSError as error:
            if refusal := not_allowed(path, error):
                raise refusal from error
            raise ClockNotApplied(f"{path} cannot be read: {error.strerror}") from error


class _Refused(ClockNotApplied):
    """The kernel finds a value invalid."""
