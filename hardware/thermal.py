"""The processor's temperature, through the kernel's thermal zones (Documentation/driver-api/thermal/sysfs-api.rst)."""

from __future__ import annotations

from pathlib import Path

from hardware.sysfs import SYSFS

_TYPES = ("cpu-thermal", "cpu_thermal", "x86_pkg_temp", "soc-thermal", "soc_thermal")
"""What zones of processors are called: by the device trees of Raspberry Pis (and older kernels), Intel's package, and boards with
one zone for the whole chip. `acpitz` may be anywhere in the case, so it is none."""


class CpuTemperature:
    """The zone of the processor, whose `temp` is in thousandths of a degree Celsius. Thread-safe."""

    def __init__(self, sys: Path = SYSFS) -> None:
        self._zone = _cpu_zone(sys)

    def read_c(self) -> float | None:
        """Degrees Celsius now; None where there is no such zone, or it cannot tell."""
        if self._zone is None:
            return None
        try:
            return int((self._zone / "temp").read_text()) / 1e3
        except (OSError, ValueError):
            return None


def _cpu_zone(sys: Path) -> Path | None:
    """By the order of the known names, and any other that says it is a CPU's."""
    zones = {zone: _type(zone) for zone in sorted((sys / "class/thermal").glob("thermal_zone*"))}
    for name in _TYPES:
        for zone, kind in zones.items():
            if kind == name:
                return zone
    return next((zone for zone, kind in zones.items() if "cpu" in kind), None)


def _type(zone: Path) -> str:
    try:
        return (zone / "type").read_text(errors="replace").strip().lower()
    except OSError:
        return ""
