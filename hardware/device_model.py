"""A model of a device: how long a piece of work takes, and what the device draws meanwhile."""

from __future__ import annotations

import bisect
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from protocol.documents import checked, field
from protocol.errors import InvalidInput
from protocol.work import Work


@dataclass(frozen=True)
class PowerPoint:
    """What the whole device draws at one clock: while it computes, and while it waits for the cloud or for work."""

    cpu_khz: int
    busy_w: float
    waiting_w: float


@dataclass(frozen=True)
class DeviceModel:
    """The constants of a device.

    `cycles_per_mac` goes by the element type of `Work.macs`' keys (`conv/int8` -> `int8`). `ns_per_byte` is the time
    that a moved byte takes at any clock, since memory has its own. `power` is ascending in the clock.
    """

    ladder_khz: tuple[int, ...]
    threads: int
    cycles_per_mac: Mapping[str, float]
    ns_per_byte: float
    power: tuple[PowerPoint, ...]

    def __post_init__(self) -> None:
        _check_ascending(self.ladder_khz, what="device model: ladder_khz")
        _check_ascending([point.cpu_khz for point in self.power], what="device model: the clocks under power")
        if self.threads < 1:
            raise InvalidInput(f"device model: threads must be 1 or more, not {self.threads}")
        watts = {f"power at {point.cpu_khz} kHz": min(point.busy_w, point.waiting_w) for point in self.power}
        for name, figure in {"ns_per_byte": self.ns_per_byte, **self.cycles_per_mac, **watts}.items():
            if figure < 0:
                raise InvalidInput(f"device model: {name} must be 0 or more, not {figure}")

    def time_ms(self, work: Work, cpu_khz: int) -> float:
        """How long the work takes on one thread at a clock. InvalidInput for an element type without a figure."""
        cycles = sum(count * self._cycles_per_mac(kind) for kind, count in work.macs.items())
        return cycles / cpu_khz + work.moved_bytes * self.ns_per_byte / 1e6

    def busy_w(self, cpu_khz: int) -> float:
        """What the device draws while it computes."""
        return self._interpolated(cpu_khz, lambda point: point.busy_w)

    def waiting_w(self, cpu_khz: int) -> float:
        """What the device draws while it waits."""
        return self._interpolated(cpu_khz, lambda point: point.waiting_w)

    def _cycles_per_mac(self, kind: str) -> float:
        element = kind.rpartition("/")[2]
        if element not in self.cycles_per_mac:
            known = ", ".join(self.cycles_per_mac)
            raise InvalidInput(f"the device model has no figure for {kind} work; it has {known}: convert the network")
        return self.cycles_per_mac[element]

    def _interpolated(self, cpu_khz: int, value: Callable[[PowerPoint], float]) -> float:
        """Straight lines between the clocks given; beyond them the nearest figure."""
        after = bisect.bisect_left([point.cpu_khz for point in self.power], cpu_khz)
        if after == 0:
            return value(self.power[0])
        if after == len(self.power):
            return value(self.power[-1])
        low, high = self.power[after - 1], self.power[after]
        share = (cpu_khz - low.cpu_khz) / (high.cpu_khz - low.cpu_khz)
        return value(low) + share * (value(high) - value(low))

    @classmethod
    def from_toml(cls, text: str, *, what: str) -> DeviceModel:
        """The model from a board's TOML file; InvalidInput that names `what` and the field."""
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InvalidInput(f"{what} is not valid TOML: {error}") from error
        ladder = field(content, "ladder_khz", list, what=what)
        cycles = field(content, "cycles_per_mac", dict, what=what)
        points = field(content, "power", list, what=what)
        return cls(
            ladder_khz=tuple(checked(khz, int, what=f"{what}: ladder_khz") for khz in ladder),
            threads=field(content, "threads", int, what=what),
            cycles_per_mac={name: field(cycles, name, float, what=f"{what}: cycles_per_mac") for name in cycles},
            ns_per_byte=field(content, "ns_per_byte", float, what=what),
            power=tuple(_power_point(point, what=f"{what}: power") for point in points),
        )


def _power_point(content: object, *, what: str) -> PowerPoint:
    if not isinstance(content, Mapping):
        raise InvalidInput(f"{what} must hold tables with cpu_khz, busy_w and waiting_w, not {content!r:.60}")
    return PowerPoint(
        cpu_khz=field(content, "cpu_khz", int, what=what),
        busy_w=field(content, "busy_w", float, what=what),
        waiting_w=field(content, "waiting_w", float, what=what),
    )


def _check_ascending(clocks_khz: Sequence[int], *, what: str) -> None:
    if not clocks_khz or list(clocks_khz) != sorted(set(clocks_khz)) or clocks_khz[0] <= 0:
        raise InvalidInput(f"{what} must be clocks above 0 in ascending order, not {list(clocks_khz)}")
