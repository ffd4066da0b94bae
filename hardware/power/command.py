"""Any command that prints the power: for meters that nothing else here knows."""

from __future__ import annotations

import math
import shlex
import time

from hardware.clock import Clock, Sleep
from hardware.power.program import ChildProgram, Start
from hardware.power.program_meter import Figures, ProgramMeter
from protocol.documents import field, parse_object
from protocol.errors import InvalidInput

_PERIOD_S = 1.0
"""A process per value is dear: on a Raspberry Pi it takes some ms of the processor."""

_TIMEOUT_S = 5.0


def command_meter(
    command: str, *, start: Start = ChildProgram, clock: Clock = time.monotonic, sleep: Sleep = time.sleep
) -> ProgramMeter:
    """Runs `command`, split into words as a shell would but not by one, once a second.

    It prints watts as a number, or a JSON object with `watts` and, where it keeps a count that grows, `joules`.
    InvalidInput for a command with no word or an open quote.
    """
    return ProgramMeter(
        words(command), figures, period_s=_PERIOD_S, timeout_s=_TIMEOUT_S, start=start, clock=clock, sleep=sleep
    )


def words(command: str) -> list[str]:
    """The command's words."""
    try:
        split = shlex.split(command)
    except ValueError as error:
        raise InvalidInput(f"meter command {command!r:.60} cannot be split into words: {error}") from error
    if not split:
        raise InvalidInput("meter 'exec' needs a command, such as exec:/usr/local/bin/watts")
    return split


def figures(output: str) -> Figures:
    """What the command printed; ValueError when that is no power."""
    text = output.strip()
    if not text.startswith("{"):
        return Figures(_watts(text))
    content = parse_object(text, what="its output")
    counts = content.get("joules") is not None
    return Figures(
        field(content, "watts", float, what="its output"),
        field(content, "joules", float, what="its output") if counts else None,
    )


def _watts(text: str) -> float:
    try:
        watts = float(text)
    except ValueError as error:
        raise ValueError("a number of watts is wanted, or an object with watts") from error
    if not math.isfinite(watts):
        raise ValueError("a finite number of watts is wanted")
    return watts
