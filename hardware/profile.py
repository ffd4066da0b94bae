"""What is known of a kind of board before it is measured: how to recognise it, its clocks, perhaps its power and its speed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from hardware.power.points import PowerPoints
from hardware.work_times import WorkTimes
from protocol.documents import checked, field
from protocol.errors import InvalidInput, NotFound

T = TypeVar("T")

GENERIC = "linux"

_FOLDER = files("hardware") / "boards"
_SUFFIX = ".toml"
_EMULATED = "emulated-"

_DEVICE_TREE = Path("firmware/devicetree/base/compatible")
"""What `/proc/device-tree` points to (Documentation/ABI/testing/sysfs-firmware-ofw)."""
_CHASSIS = Path("class/dmi/id/chassis_type")
"""The kind of case, on PCs: a number of the System Management BIOS specification (DMTF DSP0134, 7.4.1)."""


@dataclass(frozen=True)
class BoardProfile:
    """A kind of board.

    `compatible` are its names in the device tree, `chassis` its kinds of case. `clocks_khz` has every such board;
    `lowest_khz` is the lowest that the hardware really runs at, whatever the kernel offers (0: no such limit). `power` is
    what a whole board draws on average by `power_source`, `work` how long one takes by `work_source`; None where no source
    is known.
    """

    name: str
    title: str
    compatible: tuple[str, ...] = ()
    chassis: tuple[int, ...] = ()
    clocks_khz: tuple[int, ...] = ()
    lowest_khz: int = 0
    power: PowerPoints | None = None
    power_source: str = ""
    work: WorkTimes | None = None
    work_source: str = ""

    @classmethod
    def from_toml(cls, name: str, text: str) -> BoardProfile:
        """The profile from a board's TOML file; InvalidInput that names the board and the field."""
        what = f"board {name}"
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InvalidInput(f"{what} is not valid TOML: {error}") from error
        points = field({"power": [], **content}, "power", list, what=what)
        power = PowerPoints.from_content(points, what=f"{what}: power") if points else None
        work = field({"work": {}, **content}, "work", dict, what=what)
        return cls(
            name=name,
            title=field(content, "title", str, what=what),
            compatible=_all(content.get("compatible", []), str, what=f"{what}: compatible"),
            chassis=_all(content.get("chassis", []), int, what=f"{what}: chassis"),
            clocks_khz=_all(content.get("clocks_khz", []), int, what=f"{what}: clocks_khz"),
            lowest_khz=checked(content.get("lowest_khz", 0), int, what=f"{what}: lowest_khz"),
            power=power,
            power_source=field(content, "power_source", str, what=what) if power else "",
            work=WorkTimes.from_content(work, what=f"{what}: work") if work else None,
            work_source=field(work, "source", str, what=f"{what}: work") if work else "",
        )


def board_file(name: str) -> str:
    """The text of a board's file."""
    return (_FOLDER / f"{name}{_SUFFIX}").read_text(encoding="utf-8")


def emulated_names() -> tuple[str, ...]:
    """The boards that need no device."""
    return tuple(name for name in _names() if name.startswith(_EMULATED))


def profile_names() -> tuple[str, ...]:
    """The kinds of real boards that have a profile."""
    return tuple(name for name in _names() if not name.startswith(_EMULATED))


def profile_of(name: str, sys: Path) -> BoardProfile:
    """The profile of this name; of `linux` the one that fits the machine, `sys` being the root of sysfs. NotFound for
    another name."""
    if name == GENERIC:
        return recognised(sys)
    if name not in profile_names():
        raise NotFound(f"board {name!r:.60} has no profile; there are {', '.join(profile_names())}")
    return BoardProfile.from_toml(name, board_file(name))


def recognised(sys: Path) -> BoardProfile:
    """The profile that fits this machine, else one that knows nothing."""
    names, chassis = _compatible(sys), _chassis(sys)
    for profile in (BoardProfile.from_toml(name, board_file(name)) for name in profile_names()):
        if names & set(profile.compatible) or chassis in profile.chassis:
            return profile
    return BoardProfile(GENERIC, "A machine that runs Linux")


def _names() -> Iterable[str]:
    names = (entry.name for entry in _FOLDER.iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))


def _compatible(sys: Path) -> set[str]:
    """The machine's names, each ended by a NUL, the most exact first (Devicetree Specification 0.4, 2.3.1)."""
    try:
        return {name.decode(errors="replace") for name in (sys / _DEVICE_TREE).read_bytes().split(b"\0") if name}
    except OSError:
        return set()


def _chassis(sys: Path) -> int | None:
    try:
        return int((sys / _CHASSIS).read_text())
    except (OSError, ValueError):
        return None


def _all(values: object, kind: type[T], *, what: str) -> tuple[T, ...]:
    return tuple(checked(value, kind, what=what) for value in checked(values, list, what=what))
