"""A model of an Edge TPU: how long a head takes on it, and what the whole device draws meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hardware.power.points import PowerPoints
from protocol.configuration import EdgeAccelerator, choose
from protocol.documents import field
from protocol.errors import InvalidInput
from protocol.work import Work

RUNS = ("int8", "uint8")
"""The element types that the chip computes with (https://coral.ai/docs/edgetpu/models-intro/)."""


def on_chip(head: Work, *, crossing_bytes: int) -> Work:
    """A head as its TPU sees it: tensors between operators stay on the chip, what crosses the cut comes back to the host."""
    return Work(head.macs, head.weight_bytes, crossing_bytes, head.operators)


def check_runs(head: Work, *, what: str) -> None:
    """InvalidInput for work that no Edge TPU does."""
    if others := sorted(kind for kind in head.macs if kind.rpartition("/")[2] not in RUNS):
        raise InvalidInput(f"{what} computes {', '.join(others)}; an Edge TPU runs int8 alone: quantize the head")


@dataclass(frozen=True)
class EdgeTpuModel:
    """The constants of an Edge TPU behind a host's CPU.

    A head takes `start_ms` and `start_cycles` of the CPU, `ps_per_mac` by the TPU's clock, `ns_per_streamed_byte` for each
    byte of weights beyond `on_chip_bytes`, which come over USB again for each image, and `cycles_per_host_byte` of the CPU
    for each byte that comes back. `power` is that of the whole device with the TPU plugged in.
    """

    start_ms: float
    start_cycles: float
    ps_per_mac: Mapping[EdgeAccelerator, float]
    on_chip_bytes: int
    ns_per_streamed_byte: float
    cycles_per_host_byte: float
    power: PowerPoints

    @property
    def modes(self) -> tuple[EdgeAccelerator, ...]:
        """The clocks that it has."""
        return tuple(self.ps_per_mac)

    def time_ms(self, work: Work, cpu_khz: int, accelerator: EdgeAccelerator) -> float:
        """How long a head takes, given as `on_chip` says; InvalidInput for work that no Edge TPU does."""
        check_runs(work, what="this work")
        computing_ms = work.total_macs * self.ps_per_mac[accelerator] / 1e9
        streaming_ms = max(0, work.weight_bytes - self.on_chip_bytes) * self.ns_per_streamed_byte / 1e6
        host_cycles = self.start_cycles + work.activation_bytes * self.cycles_per_host_byte
        return self.start_ms + computing_ms + streaming_ms + host_cycles / cpu_khz

    @classmethod
    def from_content(cls, content: Mapping[str, Any], *, what: str) -> EdgeTpuModel:
        """From a table of a TOML file; InvalidInput that names `what` and the field."""
        macs = field(content, "ps_per_mac", dict, what=what)
        figures = {
            name: field(content, name, float, what=what)
            for name in ("start_ms", "start_cycles", "ns_per_streamed_byte", "cycles_per_host_byte")
        }
        by_mode = {
            choose(EdgeAccelerator, name, what=f"{what}: ps_per_mac"): field(
                macs, name, float, what=f"{what}: ps_per_mac"
            )
            for name in macs
        }
        for name, figure in [*figures.items(), *by_mode.items()]:
            if figure < 0:
                raise InvalidInput(f"{what}: {name} must be 0 or more, not {figure}")
        return cls(
            ps_per_mac=by_mode,
            on_chip_bytes=field(content, "on_chip_bytes", int, what=what),
            power=PowerPoints.from_content(field(content, "power", list, what=what), what=f"{what}: power"),
            **figures,
        )
