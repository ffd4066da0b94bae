"""The power chip of a Raspberry Pi 5, asked through `vcgencmd pmic_read_adc`."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from hardware.clock import Clock, Sleep
from hardware.power.program import ChildProgram, Start
from hardware.power.program_meter import Figures, ProgramMeter

COMMAND = ("vcgencmd", "pmic_read_adc")

_PERIOD_S = 0.2
"""The chip has no interval of its own; each look costs a process, so five in a second."""

_TIMEOUT_S = 2.0

_LINE = re.compile(
    r"^\s*(?P<rail>\w+)_(?P<unit>[AV])\s*(?:(?:current|volt)\(\d+\))?\s*[=:\s]\s*(?P<value>\d+(?:\.\d+)?)\s*[AV]?\s*$",
    re.MULTILINE,
)
"""` VDD_CORE_A current(7)=1.11625000A`, and the plain `VDD_CORE_A=1.11625`. Neither numbers nor order of channels hold
from one firmware to the next, so rails are told by name."""


def pmic_meter(
    command: Sequence[str] = COMMAND,
    *,
    start: Start = ChildProgram,
    clock: Clock = time.monotonic,
    sleep: Sleep = time.sleep,
) -> ProgramMeter:
    """The sum over the rails that the chip makes: processor, memory, the board's 3.3 V, 1.8 V and 1.1 V, radio, HDMI.

    What does not pass the chip is missing: USB devices and the fan, which hang on the 5 V themselves, HATs on the 5 V
    pins, and what the conversion loses. `vcgencmd` needs the group `video` (the device /dev/vcio).
    """
    return ProgramMeter(command, rails, period_s=_PERIOD_S, timeout_s=_TIMEOUT_S, start=start, clock=clock, sleep=sleep)


def rails(output: str) -> Figures:
    """Volts times amperes of each rail that tells both; `EXT5V` and `BATT` have a voltage alone and tell no power.

    ValueError when there is no such rail.
    """
    found: dict[str, dict[str, float]] = {"A": {}, "V": {}}
    for line in _LINE.finditer(output):
        found[line["unit"]][line["rail"]] = float(line["value"])
    amperes, volts = found["A"], found["V"]
    both = amperes.keys() & volts.keys()
    if not both:
        raise ValueError("no rail with both volts and amperes; only a Raspberry Pi 5 tells them")
    return Figures(sum(amperes[rail] * volts[rail] for rail in sorted(both)))
