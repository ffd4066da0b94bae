"""The CPU's clock through the kernel's cpufreq (Documentation/admin-guide/pm/cpufreq.rst): `policyN/` folders, in kHz."""

from __future__ import annotations

import errno
import re
import time
from dataclasses import dataclass
from pathlib import Path

from hardware.board import ClockNotApplied
from hardware.clock import Clock, Sleep
from hardware.sysfs import SYSFS, Write, not_allowed, write_text
from protocol.errors import DynaSplitError, InvalidInput, NotFound

CPUFREQ = Path("devices/system/cpu/cpufreq")

_TOLERANCE = 0.01
"""Some hardware reports the clock that it runs at a little off the one on its ladder, such as 599999 for 600000 kHz."""

_SETTLES_WITHIN_S = 0.2
_LOOK_EVERY_S = 0.005


class CpuFrequency:
    """Holds the CPUs at exactly one clock, and puts everything back. Not thread-safe.

    All policies (groups of CPUs with one clock) are set alike, so only clocks that all of them have are on the ladder.
    `sys` is the root of sysfs; `write` writes one of its files.
    """

    def __init__(
        self,
        sys: Path = SYSFS,
        *,
        write: Write = write_text,
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
    ) -> None:
        folders = [path for path in (sys / CPUFREQ).glob("policy*") if path.name.removeprefix("policy").isdigit()]
        if not folders:
            raise NotFound(
                f"{sys / CPUFREQ} holds no policy: nobody can set the CPU clock here, as in most virtual machines"
            )
        folders.sort(key=lambda path: int(path.name.removeprefix("policy")))
        self._policies = [_Policy(path, write) for path in folders]
        self._clock = clock
        self._sleep = sleep
        self._found: list[_Settings] | None = None

    def ladder_khz(self) -> tuple[int, ...]:
        """The clocks that every policy has, ascending; InvalidInput when they have none in common."""
        shared = set.intersection(*(policy.clocks_khz() for policy in self._policies))
        if not shared:
            names = ", ".join(policy.name for policy in self._policies)
            raise InvalidInput(f"the CPU policies {names} have no clock in common, so one clock cannot hold for all")
        return tuple(sorted(shared))

    def hold(self, khz: int) -> int:
        """Holds all CPUs at a clock of the ladder and gives the clock once it was read back.

        Raises ClockNotApplied when a policy runs at another clock, NotAllowed when this process may not set it.
        """
        if self._found is None:
            self._found = [policy.settings() for policy in self._policies]
        for policy in self._policies:
            policy.hold(khz)
        for policy in self._policies:
            self._await(policy, khz)
        return khz

    def restore(self) -> None:
        """Puts governor and limits back as they were before the first `hold`. Nothing happens before or after that.

        When the kernel refuses one policy, the others are put back all the same; then the first refusal is raised.
        """
        failures: list[DynaSplitError] = []
        for policy, settings in zip(self._policies, self._found or (), strict=False):
            try:
                policy.put_back(settings)
            except DynaSplitError as error:
                failures.append(error)
        if failures:
            raise failures[0]
        self._found = None

    def _await(self, policy: _Policy, khz: int) -> None:
        """Some governors take up new limits only at their next tick."""
        deadline_s = self._clock() + _SETTLES_WITHIN_S
        while not policy.runs_at(khz):
            if self._clock() >= deadline_s:
                raise ClockNotApplied(
                    f"{policy.name} was set to {khz} kHz but {policy.state()}: "
                    "firmware, heat or another program holds the clock"
                )
            self._sleep(_LOOK_EVERY_S)


@dataclass(frozen=True)
class _Settings:
    governor: str
    min_khz: int
    max_khz: int
    held_khz: int | None
    """What the governor `userspace` was told, None under any other."""


class _Policy:
    """One policy folder."""

    def __init__(self, folder: Path, write: Write) -> None:
        self.name = folder.name
        self._folder = folder
        self._write_text = write

    def clocks_khz(self) -> set[int]:
        """The driver's table; without one, the two ends that any driver states."""
        if self._has_table():
            return {int(text) for text in self._read("scaling_available_frequencies").split()}
        return {self._number("cpuinfo_min_freq"), self._number("cpuinfo_max_freq")}

    def settings(self) -> _Settings:
        governor = self._read("scaling_governor")
        return _Settings(
            governor=governor,
            min_khz=self._number("scaling_min_freq"),
            max_khz=self._number("scaling_max_freq"),
            held_khz=self._number("scaling_setspeed") if governor == "userspace" else None,
        )

    def hold(self, khz: int) -> None:
        if self._has_table() and self._take_over():
            low, high = self._number("scaling_min_freq"), self._number("scaling_max_freq")
            if not low <= khz <= high:
                self._limit(min(low, khz), max(high, khz))
            self._write("scaling_setspeed", str(khz))
        else:
            self._limit(khz, khz)

    def put_back(self, settings: _Settings) -> None:
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
        return abs(self._running_khz() - khz) <= _TOLERANCE * khz

    def state(self) -> str:
        if self._has_table():
            return f"runs at {self._running_khz()} kHz"
        return f"is limited to {self._number('scaling_min_freq')} to {self._number('scaling_max_freq')} kHz"

    def _has_table(self) -> bool:
        return (self._folder / "scaling_available_frequencies").exists()

    def _running_khz(self) -> int:
        """`cpuinfo_cur_freq` asks the hardware, but is for root alone and not always known."""
        try:
            return int((self._folder / "cpuinfo_cur_freq").read_text())
        except (OSError, ValueError):
            return self._number("scaling_cur_freq")

    def _take_over(self) -> bool:
        """Whether the governor `userspace` is there. Asking for it makes the kernel load its module, so ask."""
        if self._read("scaling_governor") == "userspace":
            return True
        try:
            self._write("scaling_governor", "userspace")
        except _Refused:
            return False
        return True

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
        text = self._read(name)
        if not re.fullmatch(r"\d+", text):
            raise ClockNotApplied(f"{self._folder / name} says {text!r:.40} instead of a clock in kHz")
        return int(text)

    def _read(self, name: str) -> str:
        path = self._folder / name
        try:
            return path.read_text().strip()
        except OSError as error:
            if refusal := not_allowed(path, error):
                raise refusal from error
            raise ClockNotApplied(f"{path} cannot be read: {error.strerror}") from error


class _Refused(ClockNotApplied):
    """The kernel finds a value invalid."""
