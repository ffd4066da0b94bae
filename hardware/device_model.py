"""A model of a device: how long a piece of work takes, and what the device draws meanwhile."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass

from hardware.accelerator.model import EdgeTpuModel
from hardware.power.points import PowerPoints, check_ascending
from hardware.work_times import WorkTimes
from protocol.documents import checked, field
from protocol.errors import InvalidInput


@dataclass(frozen=True)
class DeviceModel(WorkTimes):
    """The constants of a device: how long work takes at which clocks, and what it draws.

    `power` is that of the whole device without an Edge TPU; `edge_tpu` is the model of one, where there is any.
    """

    ladder_khz: tuple[int, ...]
    power: PowerPoints
    edge_tpu: EdgeTpuModel | None = None

    def __post_init__(self) -> None:
        check_ascending(self.ladder_khz, what="device model: ladder_khz")
        super().__post_init__()

    @classmethod
    def from_toml(cls, text: str, *, what: str) -> DeviceModel:
        """The model from a board's TOML file; InvalidInput that names `what` and the field."""
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InvalidInput(f"{what} is not valid TOML: {error}") from error
        ladder = field(content, "ladder_khz", list, what=what)
        times = WorkTimes.from_content(content, what=what)
        points = field(content, "power", list, what=what)
        edge_tpu = field({"edge_tpu": {}, **content}, "edge_tpu", dict, what=what)
        return cls(
            ladder_khz=tuple(checked(khz, int, what=f"{what}: ladder_khz") for khz in ladder),
            threads=times.threads,
            cycles_per_mac=times.cycles_per_mac,
            ns_per_byte=times.ns_per_byte,
            power=PowerPoints.from_content(points, what=f"{what}: power"),
            edge_tpu=EdgeTpuModel.from_content(edge_tpu, what=f"{what}: edge_tpu") if edge_tpu else None,
        )
