"""The boards by name."""

from __future__ import annotations

import time
from pathlib import Path

from hardware.accelerator.port import EdgeTpu
from hardware.board import Board
from hardware.clock import Clock, Sleep
from hardware.cpufreq import CpuFrequency
from hardware.device_model import DeviceModel
from hardware.emulated import EmulatedBoard
from hardware.found_clocks import FoundClocks
from hardware.linux_board import LinuxBoard
from hardware.power.estimated import EstimatedMeter
from hardware.power.meter import PowerMeter
from hardware.profile import GENERIC, BoardProfile, board_file, emulated_names, profile_names, profile_of
from hardware.sysfs import SYSFS, Write, write_text
from hardware.thermal import CpuTemperature
from hardware.throttling import Throttling
from protocol.errors import InvalidInput, NotFound


def board_names() -> tuple[str, ...]:
    """The names that `open_board` takes: the emulated boards, `linux` for this machine as it is recognised, and the kinds
    of real boards, for a machine that is not recognised."""
    return (*emulated_names(), GENERIC, *profile_names())


def open_board(
    name: str,
    *,
    meter: PowerMeter | None = None,
    edge_tpu: EdgeTpu | None = None,
    found: FoundClocks | None = None,
    sys: Path = SYSFS,
    write: Write = write_text,
    clock: Clock = time.monotonic,
    sleep: Sleep = time.sleep,
) -> Board:
    """The board of this name, with the Edge TPU that is plugged into it; NotFound that lists the known ones.

    An emulated board brings its own meter. Any other is this machine, and has to be given what measures it: InvalidInput
    without. `sys` is the root of its sysfs, `write` writes one of its files, `found` remembers how its clocks were found. It
    may raise NotFound where this machine's clock cannot be set, NotAllowed where this user may not set it.
    """
    if name in emulated_names():
        return EmulatedBoard(name, device_model(name), edge_tpu=edge_tpu, clock=clock, sleep=sleep)
    if name not in board_names():
        raise NotFound(f"board {name!r:.60} is not known; choose one of {', '.join(board_names())}")
    if meter is None:
        raise InvalidInput(f"board '{name}' measures nothing by itself: it has to be given a power meter")
    frequency = CpuFrequency(sys, found=found, write=write, clock=clock, sleep=sleep)
    frequency.check_rights()
    profile = profile_of(name, sys)
    return LinuxBoard(profile, frequency, meter, Throttling(sys), temperature=CpuTemperature(sys), edge_tpu=edge_tpu)


def estimated_meter(profile: BoardProfile, *, clock: Clock = time.monotonic) -> EstimatedMeter:
    """What such a board draws on average, as was published: the board says what it does. NotFound where no source is
    known."""
    if profile.power is None:
        known = ", ".join(name for name in profile_names() if profile_of(name, SYSFS).power)
        raise NotFound(
            f"no source is known to us for what a {profile.title} draws; connect a power meter (it is known of {known})"
        )
    return EstimatedMeter(profile.power, cpu_khz=profile.power.points[-1].cpu_khz, clock=clock)


def device_model(name: str) -> DeviceModel:
    """The model behind the emulated board of this name."""
    return DeviceModel.from_toml(board_file(name), what=f"board {name}")
