"""Heat and supply: what slows the machine down now, and what has since it was started."""

from __future__ import annotations

from collections.abc import Iterator

from hardware.thermal import CpuTemperature
from hardware.throttling import UNDER_VOLTAGE, Slowdown, Throttling
from tools.doctoring.device import Device
from tools.doctoring.findings import Finding, error, warning, well

_HOT_C = 80.0
"""From here a Raspberry Pi slows down (https://www.raspberrypi.com/documentation/computers/raspberry-pi.html, frequency
management and thermal control)."""

_SUPPLY = "use the board's own power supply and a short, thick cable, and take power-hungry USB devices off"
_ASKING = "let 'vcgencmd get_throttled' answer this user: it needs the program, and the group 'video'"
_COOLING = "cool it: a heat sink, a fan, room around it; max_clock_khz keeps it below"


def check_heat(device: Device) -> Iterator[Finding]:
    """Temperature, supply, and throttling. Of this machine, also where the board is emulated: it is what computes."""
    yield from _temperature(CpuTemperature(device.sys).read_c())
    yield from _slowdown(Throttling(device.sys).look())


def _temperature(celsius: float | None) -> Iterator[Finding]:
    if celsius is None:
        yield well("heat", "this machine does not tell its processor's temperature")
    elif celsius >= _HOT_C:
        yield warning("heat", f"the processor has {celsius:.0f} °C", _COOLING)
    else:
        yield well("heat", f"the processor has {celsius:.0f} °C")


def _slowdown(said: Slowdown) -> Iterator[Finding]:
    now, before = said.now, tuple(word for word in said.ever if word not in said.now)
    if UNDER_VOLTAGE in now:
        yield error("supply", "under-voltage now: the board may fail at any moment", _SUPPLY)
    if UNDER_VOLTAGE in before:
        yield warning("supply", "under-voltage since the machine was started", _SUPPLY)
    if slowed := [word for word in now if word != UNDER_VOLTAGE]:
        yield warning("heat", f"slows the machine down now: {', '.join(slowed)}", _COOLING)
    if slowed := [word for word in before if word != UNDER_VOLTAGE]:
        yield warning("heat", f"slowed the machine down since it was started: {', '.join(slowed)}", _COOLING)
    if said.word is None:
        yield warning("supply", "the firmware does not say whether the supply is weak", _ASKING)
    elif not said.ever:
        yield well("supply", "nothing tells of a weak supply or of throttling since the machine was started")
