"""What power sensors in the supply have in common, whichever driver they have."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from hardware.power.meter import MeterLost
from protocol.errors import NotFound

logger = logging.getLogger(__name__)

CHIPS = ("ina219", "ina220", "ina226", "ina230", "ina231", "ina260")


def pick(folders: Sequence[Path], wanted: str) -> Path:
    """The sensor that is wanted, by its folder (`hwmon2`), its chip (`ina226`) or its place on the bus (`1-0041`); "" takes
    the first, and the log names the others. NotFound that lists what there is."""
    if not wanted and folders:
        if len(folders) > 1:
            logger.warning(
                "several power sensors: %s; the first is taken, set another", ", ".join(map(described, folders))
            )
        return folders[0]
    for folder in folders:
        if wanted in (folder.name, text(folder / "name"), _place(folder)):
            return folder
    there = ", ".join(map(described, folders)) or "none"
    raise NotFound(f"power sensor {wanted or 'by any name'!r:.60} is not here; there are: {there}")


def described(folder: Path) -> str:
    """A sensor in a few words: `hwmon2 (ina226 at 1-0041)`."""
    place = _place(folder)
    return f"{folder.name} ({text(folder / 'name')}{f' at {place}' if place else ''})"


def number(path: Path) -> float:
    """What a sensor's file says; MeterLost when it does not answer."""
    try:
        return float(path.read_text())
    except OSError as error:
        raise MeterLost(f"{path}: {error.strerror}; is the sensor still on the bus?") from error
    except ValueError as error:
        raise MeterLost(f"{path} holds no number: {error}") from error


def text(path: Path) -> str:
    """What a file says, "" for one that is not there."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _place(folder: Path) -> str:
    """Bus and address, by what `device` links to; IIO devices lie below it themselves."""
    device = folder / "device"
    if device.exists():
        return device.resolve().name
    return folder.resolve().parent.name if folder.is_symlink() else ""
