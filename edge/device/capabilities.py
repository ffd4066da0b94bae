"""What this device can run: configurations are checked against it before they are applied."""

from __future__ import annotations

from dataclasses import dataclass

from hardware.accelerator.model import check_runs
from hardware.board import Board
from models.edgetpu_roles import compiled_signatures, head_signature_of
from models.manifest import Manifest
from protocol.configuration import Configuration, EdgeAccelerator, Provenance
from protocol.errors import InvalidInput


@dataclass(frozen=True)
class Capabilities:
    """The board's ladder and accelerators, there at the moment or not, and the operator's limit on threads.

    `compiled_heads`: whether the accelerator needs heads compiled for it; an emulated one does not.
    """

    ladder_khz: tuple[int, ...]
    accelerators: tuple[EdgeAccelerator, ...]
    threads: int
    compiled_heads: bool = True

    @classmethod
    def of(cls, board: Board, *, threads: int) -> Capabilities:
        real = board.provenance is not Provenance.EMULATED
        return cls(board.ladder_khz(), board.accelerators(), threads, compiled_heads=real)

    def check(self, configuration: Configuration, manifest: Manifest) -> None:
        """InvalidInput that says what the device or the bundle lacks for this configuration; NotFound for a missing cut."""
        manifest.cut(configuration.cut)
        if configuration.cpu_khz not in self.ladder_khz:
            ladder = ", ".join(map(str, self.ladder_khz))
            raise InvalidInput(f"clock {configuration.cpu_khz} kHz is not on this board's ladder: {ladder}")
        if configuration.edge_accelerator not in self.accelerators:
            raise InvalidInput(_not_set_up(configuration.edge_accelerator, self.accelerators))
        if configuration.edge_accelerator is not EdgeAccelerator.OFF:
            check_accelerated(configuration.cut, manifest, compiled_heads=self.compiled_heads)
        if configuration.threads > self.threads:
            raise InvalidInput(f"{configuration.threads} threads are more than this device's {self.threads}")


def check_accelerated(cut: int, manifest: Manifest, *, compiled_heads: bool) -> None:
    """InvalidInput that says why a head cannot run on an Edge TPU, one that needs compiled heads or an emulated one."""
    if cut == 0:
        raise InvalidInput("cut 0 has no head, so there is nothing for an accelerator to do")
    check_runs(manifest.head_work(cut), what=f"the head at cut {cut}")
    if compiled_heads and head_signature_of(manifest, cut) not in compiled_signatures(manifest):
        raise InvalidInput(
            f"the bundle has no head compiled for an Edge TPU at cut {cut}: dynasplit compile-tpu makes it"
        )


def _not_set_up(accelerator: EdgeAccelerator, there: tuple[EdgeAccelerator, ...]) -> str:
    return (
        f"this device is not set up for accelerator {accelerator} (it has {', '.join(there)}): "
        "install its library, and name it in the settings (edgetpu_std_library, edgetpu_max_library)"
    )
