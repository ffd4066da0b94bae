"""Cutting the power of a USB port by `uhubctl` (https://github.com/mvp/uhubctl), where the hub can do so.

Few hubs can, and on some all ports go together: a Raspberry Pi 4 switches its four at once (`uhubctl -l 2 -a off`).
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence

from hardware.accelerator.presence import HubPort
from protocol.errors import AcceleratorFailed

Run = Callable[[Sequence[str]], tuple[int, str]]
"""Runs a program; its exit code and what it said on both streams together. Raises OSError where it cannot be started."""

_PROGRAM = "uhubctl"
_TIMEOUT_S = 10.0
_STATUS = re.compile(r"^\s*Port (\d+): [0-9a-f]{4} (\w+)", re.MULTILINE)
"""Such as `  Port 4: 0203 power 5gbps U0 enable connect [1a6e:089a]`, or `  Port 4: 0080 off`."""


def run_program(command: Sequence[str]) -> tuple[int, str]:
    """The real `Run`: killed after ten seconds, which counts as a failure."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return 1, f"no answer within {_TIMEOUT_S:g} s"
    return done.returncode, done.stdout + done.stderr


class HubPower:
    """Switches ports. Needs the right to write to the hub's device node: run as root, or by uhubctl's udev rules."""

    def __init__(self, run: Run = run_program) -> None:
        self._run = run

    def switch(self, port: HubPort, *, on: bool) -> None:
        """AcceleratorFailed, with what uhubctl said, when it is not installed, not allowed to, or the hub cannot."""
        word = "on" if on else "off"
        command = [_PROGRAM, "-l", port.location, "-p", str(port.port), "-a", word]
        try:
            code, said = self._run(command)
        except OSError as error:
            raise AcceleratorFailed(
                f"{_PROGRAM} cannot be started ({error.strerror}): install it, or set edgetpu_power_down_s = 0"
            ) from error
        if code != 0 or _states(said).get(port.port) != ("power" if on else "off"):
            raise AcceleratorFailed(
                f"{' '.join(command)} did not switch the port {word} ({_line(said)}): the hub must be able to, and this user "
                "allowed to; else set edgetpu_power_down_s = 0"
            )


def _states(said: str) -> dict[int, str]:
    """Each port's last state: uhubctl prints them before and after, and dual hubs (USB 2 and 3) twice."""
    return {int(port): state for port, state in _STATUS.findall(said)}


def _line(said: str) -> str:
    return " ".join(said.split())[:200] or "it said nothing"
