"""How much memory a process may still take: what the computer has left, and what its control group leaves it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")


def available_bytes(*, proc: Path = PROC, cgroups: Path = CGROUPS) -> int | None:
    """The least of `MemAvailable` (proc(5)) and the room in each enclosing control group (version 2); None where none is told."""
    rooms = [_computer(proc), *(_group(group) for group in _groups(proc, cgroups))]
    return min((room for room in rooms if room is not None), default=None)


def _computer(proc: Path) -> int | None:
    for line in _lines(proc / "meminfo"):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return None


def _groups(proc: Path, cgroups: Path) -> list[Path]:
    """This process's control group and those around it, by cgroups(7): a line `0::/path`."""
    for line in _lines(proc / "self" / "cgroup"):
        if line.startswith("0::/"):
            path = PurePosixPath(line[len("0::/") :])
            return [cgroups / each for each in (path, *path.parents)]
    return []


def _group(folder: Path) -> int | None:
    """The limit less what is used, where cached files do not count: the kernel drops them first."""
    try:
        limit, used = (int((folder / name).read_text()) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):
        return None
    cached = sum(int(line.split()[1]) for line in _lines(folder / "memory.stat") if line.startswith("inactive_file "))
    return max(0, limit - used + cached)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
