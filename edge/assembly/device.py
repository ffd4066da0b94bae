"""The board with its meter, its accelerator and what runs heads on it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from edge.device.accelerators import Accelerators
from edge.device.controller import Controller
from edge.device.edge_tpu import emulated_usb, open_edge_tpu
from edge.device.heat import Heat
from edge.metering.sampler import Sampler
from edge.metering.starting import start_meter
from edge.runners.emulated_tpu import EmulatedTpuOpener
from edge.runners.port import BundleOpener, Opener, RunnerKey
from edge.runners.process import RunnerProcess
from edge.settings import EdgeSettings
from hardware import found_clocks
from hardware.board import Board
from hardware.boards import open_board
from hardware.found_clocks import FoundClocksFile
from models.bundle import Bundle
from models.running.edgetpu_runner import EdgeTpuLibraries


@dataclass(frozen=True, eq=False)
class Device:
    """What the agent serves with. `meter_name` is what the power meter is called in the state."""

    board: Board
    controller: Controller
    runner: RunnerProcess
    heat: Heat
    accelerators: Accelerators
    meter_name: str

    def warm(self, bundle: Bundle, threads: int) -> None:
        """Opens a bundle where its heads will run."""
        self.runner.open(RunnerKey(bundle.folder, threads))


def open_device(settings: EdgeSettings, stack: ExitStack) -> Device:
    """Opens the board that the settings name, and starts what measures and what runs on it."""
    runner = RunnerProcess(opener=_opener(settings), cache_dir=settings.data_dir / "cache", kept=settings.open_runners)
    stack.callback(runner.close)
    edge_tpu = open_edge_tpu(settings, release=runner.release_accelerators)
    meter = start_meter(settings.board, settings.meter_spec, stack)
    found = FoundClocksFile(settings.run_dir / found_clocks.FILE)
    board = open_board(settings.board, meter=meter, edge_tpu=edge_tpu, found=found, sys=settings.sysfs)
    heat = Heat(settings.limits.allowed_khz(board.ladder_khz()))
    controller = Controller(board, heat=heat)
    stack.callback(controller.restore)
    runner.start()
    meter_name = settings.meter if isinstance(meter, Sampler) else board.name
    return Device(board, controller, runner, heat, Accelerators(edge_tpu), meter_name)


def _opener(settings: EdgeSettings) -> Opener:
    """What opens bundles in the runner child, with the accelerator that the settings tell of."""
    if usb := emulated_usb(settings):
        return EmulatedTpuOpener(usb)
    libraries = EdgeTpuLibraries(
        settings.edgetpu_std_library, settings.edgetpu_max_library, device=settings.edgetpu_device
    )
    return BundleOpener(libraries)
