"""Openers of meters that misbehave in the sampler's process."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from hardware.power.meter import MeterLost
from hardware.power.scripted import ScriptedMeter, Step
from protocol.configuration import Provenance
from protocol.errors import NotFound


class _Measured(ScriptedMeter):
    provenance = Provenance.MEASURED


@dataclass(frozen=True)
class Steady:
    """Opens a meter that shows 3 W, by a counter or not."""

    counts_joules: bool = True

    def __call__(self):
        return _Measured((Step(0.0, 3.0),), period_s=0.001, counts_joules=self.counts_joules)


@dataclass(frozen=True)
class LostWhile:
    """Opens a meter that is lost as long as a file is there."""

    file: Path

    def __call__(self):
        return _LostWhile(self.file)


class _LostWhile(_Measured):
    def __init__(self, file: Path) -> None:
        super().__init__((Step(0.0, 3.0),), counts_joules=True)
        self._file = file

    def read(self):
        if self._file.exists():
            raise MeterLost("somebody pulled the plug")
        return super().read()


@dataclass(frozen=True)
class HangsOnce:
    """Opens a meter whose first life ends in a reading that never returns."""

    file: Path

    def __call__(self):
        meter = _HangsOnce((Step(0.0, 3.0),), counts_joules=True)
        meter.file = self.file
        return meter


class _HangsOnce(_Measured):
    file: Path

    def read(self):
        if not self.file.exists():
            self.file.write_text(str(os.getpid()))
            time.sleep(600)
        return super().read()


def refused():
    raise NotFound("no power meter found in this test")
