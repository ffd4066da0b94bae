"""A folder that looks like the kernel's cpufreq, and a write that answers like the kernel."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

from hardware.cpufreq import CPUFREQ
from hardware.fakes.lies import Lie, honest
from hardware.fakes.refusals import refusal

_GOVERNORS = ("conservative", "ondemand", "powersave", "performance", "schedutil")
_NOT_MANAGED = "<unsupported>"


class FakeCpufreq:
    """One policy below `sys`, for `CpuFrequency(sys, write=fake.write)`.

    It refuses what the kernel refuses (a minimum above the maximum, an unknown governor, a speed under any governor but
    `userspace`) and runs at the clock that results. Without `table` the driver states its two ends only; with
    `hardware` it also tells what the hardware runs at (`cpuinfo_cur_freq`, on boards that can be asked).

    `lie` turns the clock that should result into the one that it really runs at. `told_by_kernel` makes
    `scaling_cur_freq` repeat what was asked for instead. `stuck_khz` makes it accept everything and run at that clock.
    `locked` is an errno with which each write is refused.
    """

    def __init__(
        self,
        sys: Path,
        ladder_khz: Sequence[int],
        *,
        number: int = 0,
        userspace: bool = True,
        table: bool = True,
        governor: str = "ondemand",
        hardware: bool = False,
    ) -> None:
        self.folder = sys / CPUFREQ / f"policy{number}"
        self.stuck_khz: int | None = None
        self.locked: int | None = None
        self.lie: Lie = honest
        self.told_by_kernel = False
        self._offline = False
        self._shown: dict[str, str] = {}
        self._ladder_khz = tuple(sorted(ladder_khz))
        self._governors = (*_GOVERNORS, "userspace") if userspace else _GOVERNORS
        low, high = str(self._ladder_khz[0]), str(self._ladder_khz[-1])
        self._files = {
            "cpuinfo_min_freq": low,
            "cpuinfo_max_freq": high,
            "scaling_min_freq": low,
            "scaling_max_freq": high,
            "scaling_available_governors": " ".join(self._governors) + " ",
            "scaling_governor": governor,
            "scaling_setspeed": low if governor == "userspace" else _NOT_MANAGED,
            "scaling_cur_freq": low,
        }
        if table:
            self._files["scaling_available_frequencies"] = " ".join(map(str, self._ladder_khz)) + " "
        if hardware:
            self._files["cpuinfo_cur_freq"] = low
        self.folder.mkdir(parents=True)
        self._settle()

    @property
    def running_khz(self) -> int:
        """The clock that it really runs at, whatever its files say."""
        return self.stuck_khz or self.lie(self._resulting_khz(), self._ladder_khz)

    def settings(self) -> dict[str, str]:
        """What a user may change, as it is now."""
        names = ("scaling_governor", "scaling_min_freq", "scaling_max_freq", "scaling_setspeed")
        return {name: self._files[name] for name in names}

    def unplug(self) -> None:
        """All its CPUs are taken offline: the kernel answers EBUSY to reads and writes, which a plain file can only tell
        by being gone."""
        self._offline = True
        self._shown = {}
        for name in self._files:
            (self.folder / name).unlink(missing_ok=True)

    def plug_in(self) -> None:
        """Its CPUs are back, and the kernel has put governor and limits back as they were."""
        self._offline = False
        self._settle()

    def settle(self) -> None:
        """Shows in its files what changed without a write: a lie, or heat."""
        self._settle()

    def write(self, path: Path, text: str) -> None:
        """As a write to one of the kernel's files: it takes effect at once, or raises OSError."""
        if self.locked is not None:
            raise refusal(self.locked, path)
        if self._offline:
            raise refusal(errno.EBUSY, path)
        if path.parent != self.folder or path.name not in self._files:
            raise refusal(errno.ENOENT, path)
        if not self._accepts(path.name, text):
            raise refusal(errno.EINVAL, path)
        self._files[path.name] = text
        if path.name == "scaling_governor":
            self._files["scaling_setspeed"] = self._files["scaling_cur_freq"] if text == "userspace" else _NOT_MANAGED
        self._settle()

    def _accepts(self, name: str, text: str) -> bool:
        match name:
            case "scaling_governor":
                return text in self._governors
            case "scaling_setspeed":
                return self._files["scaling_governor"] == "userspace" and text.isdigit()
            case "scaling_min_freq":
                return text.isdigit() and int(text) <= int(self._files["scaling_max_freq"])
            case "scaling_max_freq":
                return text.isdigit() and int(text) >= int(self._files["scaling_min_freq"])
            case _:
                return False

    def _settle(self) -> None:
        told_khz = self._resulting_khz() if self.told_by_kernel else self.running_khz
        self._files["scaling_cur_freq"] = str(told_khz)
        if "cpuinfo_cur_freq" in self._files:
            self._files["cpuinfo_cur_freq"] = str(self.running_khz)
        for name, text in self._files.items() - self._shown.items():
            self._show(self.folder / name, text + "\n")
        self._shown = dict(self._files)

    @staticmethod
    def _show(path: Path, text: str) -> None:
        """At once, as the kernel shows its values: somebody may read meanwhile."""
        beside = path.with_name(f".{path.name}")
        beside.write_text(text)
        beside.replace(path)

    def _resulting_khz(self) -> int:
        """The governor's wish within the limits, on the ladder; an idle machine wishes for little."""
        low, high = int(self._files["scaling_min_freq"]), int(self._files["scaling_max_freq"])
        wish = {"userspace": self._files["scaling_setspeed"], "performance": str(high)}
        wanted = int(wish.get(self._files["scaling_governor"], str(low)))
        within = [khz for khz in self._ladder_khz if low <= khz <= high] or [low]
        return min(within, key=lambda khz: abs(khz - wanted))


class FakeCpufreqPolicies:
    """Several policies below one root; a write goes to the one that holds the file."""

    def __init__(self, policies: Sequence[FakeCpufreq]) -> None:
        self._by_folder = {policy.folder: policy for policy in policies}

    def write(self, path: Path, text: str) -> None:
        if path.parent not in self._by_folder:
            raise refusal(errno.ENOENT, path)
        self._by_folder[path.parent].write(path, text)
