"""The power meter: the one that the agent would take, opened and read as it does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

from edge.metering.sampler import Sampler
from edge.metering.starting import start_meter
from hardware.boards import board_names
from hardware.clock import Clock, Sleep
from hardware.power.estimated import EstimatedMeter
from hardware.power.meter import MeterLost, Reading
from hardware.power.opening import AUTO, EXEC, found_here
from hardware.profile import profile_of
from protocol.configuration import Provenance
from protocol.errors import DynaSplitError, NotFound
from tools.doctoring.device import Device
from tools.doctoring.findings import Finding, warning, well

_READ_WITHIN_S = 12.0
_LOOK_EVERY_S = 0.05
_METERS = "connect an INA219 or a smart plug, or name a command, with the setting 'meter' (guide: device)"


def check_power(device: Device, *, clock: Clock = time.monotonic, sleep: Sleep = time.sleep) -> Iterator[Finding]:
    """What measures the board, what stands behind its figures, and what it says now."""
    if device.emulated or device.board not in board_names():
        return
    with ExitStack() as stack:
        try:
            meter = start_meter(device.board, device.meter, stack)
        except DynaSplitError as refusal:
            yield device.obstacle("power", str(refusal), _METERS)
            return
        if isinstance(meter, Sampler):
            yield _read(device, meter, clock=clock, sleep=sleep)
        elif isinstance(meter, EstimatedMeter):
            yield _estimated(device)


def _read(device: Device, meter: Sampler, *, clock: Clock, sleep: Sleep) -> Finding:
    which = _which(device)
    try:
        reading = _first(meter, clock=clock, sleep=sleep)
    except MeterLost:
        seen = f"{which} does not answer within {_READ_WITHIN_S:g} s"
        return device.obstacle("power", seen, "is it connected, and named as the setting 'meter' says?")
    seen = f"{which}: {reading.watts:.2f} W, {meter.provenance}, {_told(meter.period_s)}"
    if meter.provenance is not Provenance.MEASURED:
        return warning("power", seen, _METERS)
    return well("power", seen)


def _first(meter: Sampler, *, clock: Clock, sleep: Sleep) -> Reading:
    deadline_s = clock() + _READ_WITHIN_S
    while True:
        try:
            return meter.read()
        except MeterLost:
            if clock() >= deadline_s:
                raise
            sleep(_LOOK_EVERY_S)


def _which(device: Device) -> str:
    """The meter in words, without its command, which may hold a password."""
    if device.meter.kind != AUTO:
        return f"meter {EXEC if device.meter.kind == EXEC else device.meter}"
    try:
        return found_here(device.meter.sys)[1]
    except NotFound:
        return "the power meter"


def _told(period_s: float) -> str:
    return f"a new value every {period_s:g} s" if period_s else "exact at every moment"


def _estimated(device: Device) -> Finding:
    profile = profile_of(device.board, device.sys)
    seen = f"estimated by what a {profile.title} draws on average ({profile.power_source})"
    if device.meter.kind == AUTO:
        return warning("power", f"no power meter is here: {seen}", _METERS)
    return well("power", seen)
