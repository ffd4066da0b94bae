"""Which meter to use, as a value that can be handed to another process, and opening it there."""

from __future__ import annotations

import logging
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from hardware.clock import Clock, Sleep
from hardware.power.believable import BelievableMeter
from hardware.power.command import command_meter, words
from hardware.power.hwmon import HwmonMeter, hwmon_sensors
from hardware.power.iio import IioMeter, iio_sensors
from hardware.power.meter import PowerMeter
from hardware.power.nvml import NvmlMeter
from hardware.power.plug import PlugMeter, PlugProtocol
from hardware.power.pmic import COMMAND, pmic_meter
from hardware.power.rapl import RaplMeter, find_counters
from hardware.power.sensors import CHIPS, described, pick
from hardware.power.shelly import shelly1, shelly2
from hardware.power.tasmota import tasmota
from hardware.sysfs import SYSFS
from protocol.errors import InvalidInput, NotFound

logger = logging.getLogger(__name__)

AUTO = "auto"
ESTIMATED = "estimated"
EXEC = "exec"

_PLUGS: dict[str, Callable[[str], PlugProtocol]] = {"shelly1": shelly1, "shelly2": shelly2, "tasmota": tasmota}

_BARE = (AUTO, "pmic", "rapl", ESTIMATED)
"""Kinds with nothing to say."""

KINDS = (AUTO, "hwmon", "iio", "pmic", "rapl", "nvml", *_PLUGS, EXEC, ESTIMATED)

_PI_5 = b"brcm,bcm2712"


@dataclass(frozen=True)
class MeterSpec:
    """A meter by its kind, with what it needs to be found.

    `argument`: which sensor (`hwmon`, `iio`; "": the first), the GPU's number (`nvml`; "": 0), the plug's name, or the command
    (`exec`). `sys` is the root of sysfs. `broker_url` is where plugs are, with user and password: not for logs. `ca_file` holds
    the authorities to trust there, in PEM; None: the system's.
    """

    kind: str = AUTO
    argument: str = ""
    sys: Path = SYSFS
    broker_url: str = field(default="", repr=False)
    ca_file: Path | None = None

    @classmethod
    def parse(cls, text: str, *, sys: Path = SYSFS, broker_url: str = "", ca_file: Path | None = None) -> MeterSpec:
        """From `KIND` or `KIND:ARGUMENT`; InvalidInput that lists the kinds, or says what the kind lacks."""
        kind, _, argument = text.strip().partition(":")
        spec = cls(kind.strip(), argument.strip(), sys, broker_url, ca_file)
        spec.check()
        return spec

    def check(self) -> None:
        """InvalidInput for a kind or an argument that cannot be."""
        if self.kind not in KINDS:
            raise InvalidInput(f"meter must be one of {', '.join(KINDS)}, not {self.kind!r:.60}")
        if self.kind in _BARE and self.argument:
            raise InvalidInput(f"meter '{self.kind}' takes nothing after it, unlike {self.argument!r:.60}")
        if self.kind in _PLUGS:
            _PLUGS[self.kind](self.argument)
        if self.kind == EXEC:
            words(self.argument)
        if self.kind == "nvml":
            _gpu(self.argument)

    def __str__(self) -> str:
        return f"{self.kind}:{self.argument}" if self.argument else self.kind


def open_meter(spec: MeterSpec, *, clock: Clock = time.monotonic, sleep: Sleep = time.sleep) -> PowerMeter:
    """The meter that is asked for. `close_meter` ends it.

    `auto` takes a sensor in the supply, since it sees the whole board, then a Raspberry Pi 5's power chip, then the processor's
    own counters. Raises NotFound when what is asked for is not here (energies are never guessed), NotAllowed when this user may
    not read it, ServiceMissing for a package or driver that is missing. `estimated` is no meter to open: a board drives that one.
    The number of a sensor may change when it was unplugged: after MeterLost, opening it again finds it under its new one.
    """
    spec.check()
    return BelievableMeter(_OPENERS[spec.kind](spec, clock, sleep))


def close_meter(meter: PowerMeter) -> None:
    """Ends what a meter holds open: a connection, a program that runs, a driver."""
    close = getattr(meter, "close", None)
    if close is not None:
        close()


def found_here(sys: Path) -> tuple[str, str]:
    """What `auto` takes below this root of sysfs: its kind, and which one in words. NotFound where there is none."""
    if folders := hwmon_sensors(sys):
        return "hwmon", f"the sensor {described(pick(folders, ''))}"
    if folders := iio_sensors(sys):
        return "iio", f"the sensor {described(pick(folders, ''))}"
    if _has_pmic(sys):
        return "pmic", f"the board's power chip, which does not see USB devices ({' '.join(COMMAND)})"
    if counters := find_counters(sys):
        return "rapl", f"the processor's counters (RAPL): {', '.join(path.name for path in counters)}"
    raise NotFound(
        f"no power meter found: neither a sensor ({', '.join(CHIPS)}) in {sys / 'class/hwmon'} or {sys / 'bus/iio/devices'}, "
        f"nor a Raspberry Pi 5's power chip, nor processor counters in {sys / 'class/powercap'}; connect one, name a plug or "
        "a command with the setting 'meter', or use an emulated board"
    )


def _found(spec: MeterSpec, clock: Clock, sleep: Sleep) -> PowerMeter:
    kind, which = found_here(spec.sys)
    logger.info("power comes from %s", which)
    return _OPENERS[kind](replace(spec, kind=kind), clock, sleep)


def _hwmon(spec: MeterSpec, clock: Clock, _sleep: Sleep) -> PowerMeter:
    return HwmonMeter(pick(hwmon_sensors(spec.sys), spec.argument), clock=clock)


def _iio(spec: MeterSpec, clock: Clock, _sleep: Sleep) -> PowerMeter:
    return IioMeter(pick(iio_sensors(spec.sys), spec.argument), clock=clock)


def _pmic(_spec: MeterSpec, clock: Clock, sleep: Sleep) -> PowerMeter:
    return pmic_meter(clock=clock, sleep=sleep)


def _nvml(spec: MeterSpec, clock: Clock, _sleep: Sleep) -> PowerMeter:
    return NvmlMeter(_gpu(spec.argument), clock=clock)


def _exec(spec: MeterSpec, clock: Clock, sleep: Sleep) -> PowerMeter:
    return command_meter(spec.argument, clock=clock, sleep=sleep)


def _estimated(_spec: MeterSpec, _clock: Clock, _sleep: Sleep) -> PowerMeter:
    raise NotFound("an estimated meter is not opened: the board's profile says what it draws, if it has power points")


def _rapl(spec: MeterSpec, clock: Clock, sleep: Sleep) -> PowerMeter:
    counters = find_counters(spec.sys)
    if not counters:
        raise NotFound(
            f"{spec.sys / 'class/powercap'} has no processor counters (RAPL): not an x86 machine, or a virtual one"
        )
    return RaplMeter(counters, clock=clock, sleep=sleep)


def _plug(spec: MeterSpec, clock: Clock, sleep: Sleep) -> PowerMeter:
    """On a connection of its own: the plug's broker may be another one than the agent's."""
    from protocol.mqtt.address import BrokerAddress  # paho is of no use to the other meters
    from protocol.mqtt.bus import MqttBus  # paho is of no use to the other meters

    address = BrokerAddress.parse(spec.broker_url, ca_file=spec.ca_file)
    bus = MqttBus(address, client_id=f"dynasplit-meter-{uuid.uuid4().hex[:12]}")
    meter = PlugMeter(bus, _PLUGS[spec.kind](spec.argument), clock=clock, sleep=sleep)
    bus.start()
    return meter


def _gpu(argument: str) -> int:
    if argument and not argument.isdecimal():
        raise InvalidInput(f"meter 'nvml' takes the GPU's number, as in nvml:0, not {argument!r:.60}")
    return int(argument or 0)


def _has_pmic(sys: Path) -> bool:
    """Whether this is a Raspberry Pi 5 (or a board with its processor) that has `vcgencmd`."""
    try:
        compatible = (sys / "firmware/devicetree/base/compatible").read_bytes()
    except OSError:
        return False
    return _PI_5 in compatible and shutil.which(COMMAND[0]) is not None


_Opener = Callable[[MeterSpec, Clock, Sleep], PowerMeter]

_OPENERS: dict[str, _Opener] = {
    AUTO: _found,
    "hwmon": _hwmon,
    "iio": _iio,
    "pmic": _pmic,
    "rapl": _rapl,
    "nvml": _nvml,
    **dict.fromkeys(_PLUGS, _plug),
    EXEC: _exec,
    ESTIMATED: _estimated,
}
