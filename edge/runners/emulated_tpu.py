"""Heads on an Edge TPU that is not there: the CPU answers, and a folder says whether the TPU is plugged in and answers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.runners.port import Opener, RunnerKey, open_bundle
from hardware.accelerator.emulated_usb import EmulatedUsb
from models.running.runner import Head, Runner
from protocol.configuration import EdgeAccelerator
from protocol.errors import AcceleratorFailed
from protocol.tensors import Array

_LOOK_EVERY_S = 0.02


class EmulatedTpuRunner:
    """The Runner port around one for the CPU: it gives the right answers while the emulated TPU is plugged in, raises
    AcceleratorFailed while it is not, and a head that finds it hanging does not return before it answers again."""

    holds_interpreter = False

    def __init__(self, cpu: Runner, usb: EmulatedUsb, accelerator: EdgeAccelerator) -> None:
        self._cpu = cpu
        self._usb = usb
        self.runtime = f"{cpu.runtime}+emulated-edgetpu-{accelerator.value}"

    def head(self, cut: int, inputs: Sequence[Array]) -> Head:
        self._wait_for_an_answer()
        if not self._usb.plugged:
            raise AcceleratorFailed("the emulated Edge TPU is gone: its folder is not there")
        return self._cpu.head(cut, inputs)

    def tail(self, cut: int, boundary: Sequence[Array]) -> Mapping[str, Array]:
        return self._cpu.tail(cut, boundary)

    def close(self) -> None:
        self._cpu.close()

    def _wait_for_an_answer(self) -> None:
        while self._usb.hanging and self._usb.plugged:
            time.sleep(_LOOK_EVERY_S)


@dataclass(frozen=True)
class EmulatedTpuOpener:
    """An opener whose accelerator is emulated; needs no compiled heads and no libraries."""

    usb: EmulatedUsb
    cpu: Opener = open_bundle

    def __call__(self, key: RunnerKey, cache_dir: Path | None) -> Runner:
        runner = self.cpu(RunnerKey(key.folder, key.threads), cache_dir)
        if key.accelerator is EdgeAccelerator.OFF:
            return runner
        return EmulatedTpuRunner(runner, self.usb, key.accelerator)
