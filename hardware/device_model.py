"""A model of a device: how long a piece of work takes, and what the device draws meanwhile."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from hardware.accelerator.model import EdgeTpuModel
from hardware.power.points import PowerPoints, check_ascending
from protocol.documents import checked, field
from protocol.errors import InvalidInput
from protocol.work import Work


@dataclass(frozen=True)
class DeviceModel:
    """The constants of a device.

    `cycles_per_mac` goes by the element type of `Work.macs`' keys (`conv/int8` -> `int8`). `ns_per_byte` is the time
    that a moved byte takes at any clock, since memory has its own. `power` is that of the whole device without an Edge TPU;
    `edge_tpu` is the model of one, where there is any.
    """

    ladder_khz: tuple[int, ...]
    threads: int
    cycles_per_mac: Mapping[str, float]
    ns_per_byte: float
    power: PowerPoints
    edge_tpu: EdgeTpuModel | None = None

    def __post_init__(self) -> None:
        check_ascending(self.ladder_khz, what="device model: ladder_khz")
        if self.threads < 1:
            raise InvalidInput(f"device model: threads must be 1 or more, not {self.threads}")
        for name, figure in {"ns_per_byte": self.ns_per_byte, **self.cycles_per_mac}.items():
            if figure < 0:
                raise InvalidInput(f"device model: {name} must be 0 or more, not {figure}")

    def time_ms(self, work: Work, cpu_khz: int) -> float:
        """How long the work takes on one thread at a clock. InvalidInput for an element type without a figure."""
        cycles = sum(count * self._cycles_per_mac(kind) for kind, count in work.macs.items())
        return cycles / cpu_khz + work.moved_bytes * self.ns_per_byte / 1e6

    def _cycles_per_mac(self, kind: str) -> float:
        element = kind.rpartition("/")[2]
        if element not in self.cycles_per_mac:
            known = ", ".join(self.cycles_per_mac)
            raise InvalidInput(f"the device model has no figure for {kind} work; it has {known}: convert the network")
        return self.cycles_per_mac[element]

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
        edge_tpu = field({"edge_tpu": {}, **content}, "edge_tpu", dict, what=what)
        return cls(
            ladder_khz=tuple(checked(khz, int, what=f"{what}: ladder_khz") for khz in ladder),
            threads=field(content, "threads", int, what=what),
            cycles_per_mac={name: field(cycles, name, float, what=f"{what}: cycles_per_mac") for name in cycles},
            ns_per_byte=field(content, "ns_per_byte", float, what=what),
            power=PowerPoints.from_content(points, what=f"{what}: power"),
            edge_tpu=EdgeTpuModel.from_content(edge_tpu, what=f"{what}: edge_tpu") if edge_tpu else None,
        )
