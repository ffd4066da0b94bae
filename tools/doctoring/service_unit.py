"""The agent as a service: whether systemd knows it, starts it at boot and watches over it (systemd.unit(5), systemd.service(5))."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.doctoring.findings import Finding, warning, well

UNIT = "dynasplit-edge.service"
_FOLDERS = ("etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system")
"""The first one that has the unit wins."""
_BOOTED = Path("run/systemd/system")
"""Is there where systemd is what runs the machine (sd_booted(3))."""
_WANTS = Path("etc/systemd/system/multi-user.target.wants") / UNIT
_INSTALL = "install edge/deploy/dynasplit-edge.service (guide: device)"


def check_service(root: Path = Path("/")) -> Iterator[Finding]:
    """Of the file system below `root`. A machine without systemd has nothing to be looked at."""
    if not (root / _BOOTED).is_dir():
        return
    unit = next((path for folder in _FOLDERS if (path := root / folder / UNIT).is_file()), None)
    if unit is None:
        seen = f"systemd has no {UNIT}: nothing starts the agent at boot or after a crash"
        yield warning("service", seen, _INSTALL)
        return
    said = _settings(root, unit)
    lacking = [f"{name}=" for name, good in _WANTED.items() if said.get(name, "") in ("", *good)]
    if lacking:
        yield warning("service", f"{unit} lacks {', '.join(lacking)}", f"{_INSTALL}; then systemctl daemon-reload")
    elif not (root / _WANTS).is_symlink():
        yield warning("service", f"{unit} is not started at boot", f"systemctl enable --now {UNIT}")
    else:
        yield well("service", f"{unit}: started at boot, watched over, its clock put back after a crash")


_WANTED: Mapping[str, tuple[str, ...]] = {
    "WatchdogSec": ("0", "infinity"),
    "Restart": ("no",),
    "ExecStopPost": (),
}
"""What the shipped unit sets, with the values that mean nothing."""


def _settings(root: Path, unit: Path) -> dict[str, str]:
    """The unit's, then those of the drop-ins that `systemctl edit` makes; the last word counts."""
    drops = [path for folder in reversed(_FOLDERS) for path in sorted((root / folder / f"{UNIT}.d").glob("*.conf"))]
    said: dict[str, str] = {}
    for path in (unit, *drops):
        for line in path.read_text(errors="replace").splitlines():
            name, equals, value = line.partition("=")
            if equals and not name.lstrip().startswith(("#", ";")):
                said[name.strip()] = value.strip()
    return said
