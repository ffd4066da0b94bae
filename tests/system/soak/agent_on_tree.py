"""The agent's own process on an emulated Pi 4 whose clock is a tree like the kernel's, and answers as the kernel does.

What the kernel would keep is in the files themselves, so that it outlives this process.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import edge.assembly.device
import edge.process
from hardware.accelerator.port import EdgeTpu
from hardware.board import Applied, Board
from hardware.boards import device_model
from hardware.cpufreq import CpuFrequency
from hardware.emulated import EmulatedBoard
from hardware.found_clocks import FoundClocks
from hardware.power.meter import PowerMeter
from protocol.configuration import EdgeAccelerator


def write(path: Path, text: str) -> None:
    """One of cpufreq's files; the clock follows at once."""
    if not path.exists():
        raise FileNotFoundError(path)
    _show(path, text)
    folder = path.parent
    governor = (folder / "scaling_governor").read_text().strip()
    if path.name == "scaling_governor":
        told = (folder / "scaling_cur_freq").read_text().strip() if governor == "userspace" else "<unsupported>"
        _show(folder / "scaling_setspeed", told)
    wish = "scaling_setspeed" if governor == "userspace" else "scaling_min_freq"
    for name in ("scaling_cur_freq", "cpuinfo_cur_freq"):
        _show(folder / name, (folder / wish).read_text().strip())


def _show(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}-{os.getpid()}")
    beside.write_text(text + "\n")
    beside.replace(path)


class EmulatedOnTree(EmulatedBoard):
    """The emulated board, whose clocks are also set in the tree below `sys`, by the code that sets real ones."""

    def __init__(self, name: str, *, edge_tpu: EdgeTpu | None, found: FoundClocks | None, sys: Path) -> None:
        super().__init__(name, device_model(name), edge_tpu=edge_tpu)
        self._frequency = CpuFrequency(sys, found=found, write=write)

    def apply(self, *, cpu_khz: int, accelerator: EdgeAccelerator) -> Applied:
        self._frequency.hold(cpu_khz)
        return super().apply(cpu_khz=cpu_khz, accelerator=accelerator)

    def restore(self) -> None:
        self._frequency.restore()
        super().restore()


def open_board(
    name: str, *, meter: PowerMeter | None, edge_tpu: EdgeTpu | None, found: FoundClocks | None, sys: Path
) -> Board:
    del meter  # the emulated board brings its own
    return EmulatedOnTree(name, edge_tpu=edge_tpu, found=found, sys=sys)


if __name__ == "__main__":
    edge.assembly.device.open_board = open_board
    sys.exit(edge.process.main())
