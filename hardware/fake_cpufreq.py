"""A folder that looks like the kernel's cpufreq, and a write that answers like the kernel."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from hardware.cpufreq import CPUFREQ

_GOVERNORS = ("performance", "powersave", "ondemand", "schedutil")


class FakeCpufreq:
    """One policy below `sys`, for `CpuFrequency(sys, write=fake.write)`.

    It refuses what the kernel refuses (a minimum above the maximum, an unknown governor, a speed under any governor but
    `userspace`) and runs at the clock that results. Without `table` the driver states its two ends only. `stuck_khz`
    makes it accept everything and run at that clock. `locked` is an errno with which each write is refused.
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
    ) -> None:
        self.folder = sys / CPUFREQ / f"policy{number}"
        self.stuck_khz: int | None = None
        self.locked: int | None = None
        self._ladder_khz = sorted(ladder_khz)
        self._governors = (*_GOVERNORS, "userspace") if userspace else _GOVERNORS
        self._files = {
            "cpuinfo_min_freq": str(self._ladder_khz[0]),
            "cpuinfo_max_freq": str(self._ladder_khz[-1]),
            "scaling_min_freq": str(self._ladder_khz[0]),
            "scaling_max_freq": str(self._ladder_khz[-1]),
            "scaling_governor": governor,
            "scaling_setspeed": "<unsupported>",
            "scaling_cur_freq": str(self._ladder_khz[0]),
        }
        if table:
            self._files["scaling_available_frequencies"] = " ".join(map(str, self._ladder_khz)) + " "
        self.folder.mkdir(parents=True)
        self._settle()

    def settings(self) -> dict[str, str]:
        """What a user may change, as it is now."""
        names = ("scaling_governor", "scaling_min_freq", "scaling_max_freq", "scaling_setspeed")
        return {name: (self.folder / name).read_text().strip() for name in names}

    def write(self, path: Path, text: str) -> None:
        """As a write to one of the kernel's files: it takes effect at once, or raises OSError."""
        if self.locked is not None:
            raise _refusal(self.locked, path)
        if path.parent != self.folder or path.name not in self._files:
            raise _refusal(errno.ENOENT, path)
        if not self._accepts(path.name, text):
            raise _refusal(errno.EINVAL, path)
        self._files[path.name] = text
        if path.name == "scaling_governor":
            self._files["scaling_setspeed"] = (
                self._files["scaling_cur_freq"] if text == "userspace" else "<unsupported>"
            )
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
        self._files["scaling_cur_freq"] = str(self.stuck_khz or self._resulting_khz())
        for name, text in self._files.items():
            (self.folder / name).write_text(text + "\n")

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
            raise _refusal(errno.ENOENT, path)
        self._by_folder[path.parent].write(path, text)


def _refusal(number: int, path: Path) -> OSError:
    return OSError(number, os.strerror(number), str(path))
