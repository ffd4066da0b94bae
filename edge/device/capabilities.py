"""What this device can run: configurations are checked against it before they are applied."""

from __future__ import annotations

from dataclasses import dataclass

from hardware.board import Board
from models.manifest import Manifest
from protocol.configuration import Configuration, EdgeAccelerator
from protocol.errors import InvalidInput


@dataclass(frozen=True)
class Capabilities:
    """The board's ladder and accelerators, and the operator's limit on threads."""

    ladder_khz: tuple[int, ...]
    accelerators: tuple[EdgeAccelerator, ...]
    threads: int

    @classmethod
    def of(cls, board: Board, *, threads: int) -> Capabilities:
        return cls(board.ladder_khz(), board.accelerators(), threads)

    def check(self, configuration: Configuration, manifest: Manifest) -> None:
        """InvalidInput that says what the device or the bundle lacks for this configuration; NotFound for a missing cut."""
        manifest.cut(configuration.cut)
        if configuration.cpu_khz not in self.ladder_khz:
            ladder = ", ".join(map(str, self.ladder_khz))
            raise InvalidInput(f"clock {configuration.cpu_khz} kHz is not on this board's ladder: {ladder}")
        if configuration.edge_accelerator not in self.accelerators:
            raise InvalidInput(f"accelerator {configuration.edge_accelerator} is not on this board")
        if configuration.threads > self.threads:
            raise InvalidInput(f"{configuration.threads} threads are more than this device's {self.threads}")
