"""An Edge TPU on the bus, whose port may be powered down while nobody needs it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hardware.accelerator.hub_power import HubPower
from hardware.accelerator.presence import BusPresence, HubPort
from hardware.clock import Clock, Sleep
from protocol.configuration import EdgeAccelerator
from protocol.errors import AcceleratorFailed

logger = logging.getLogger(__name__)

_WAKES_WITHIN_S = 3.0
"""Power and enumeration on a busy bus; the firmware is loaded later, by the library. A request waits for one that was pulled out
meanwhile so long at most."""
_LOOK_EVERY_S = 0.05

NOTE = "edgetpu-port"
"""The usual name of the file that tells of a port without power."""

Cancel = Callable[[], None]
Later = Callable[[float, Callable[[], None]], Cancel]
"""Calls something after a number of seconds, in another thread, unless it is cancelled before."""


def later(seconds: float, call: Callable[[], None]) -> Cancel:
    """The real `Later`; what waits does not keep the process alive."""
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()
    return timer.cancel


@dataclass(frozen=True)
class PowerSaving:
    """Cutting the port's power: after so many seconds without work, and where, if sysfs is not to be asked.

    `before` is called before each cut: whoever has the TPU open gives it up. `note` is a file that tells of a cut, for the
    start after a crash.
    """

    hub: HubPower
    after_s: float
    note: Path
    port: HubPort | None = None
    before: Callable[[], None] = lambda: None

    def cut(self, port: HubPort) -> None:
        """Raises AcceleratorFailed where the port keeps its power, and OSError where it cannot be noted."""
        self.before()
        self.note.write_text(f"{port.location} {port.port}\n")
        self.hub.switch(port, on=False)

    def give(self, port: HubPort) -> None:
        """Raises AcceleratorFailed where the port stays without power."""
        self.hub.switch(port, on=True)
        self.note.unlink(missing_ok=True)

    def noted(self) -> HubPort | None:
        """The port that was left without power."""
        try:
            location, port = self.note.read_text().split()
            return HubPort(location, int(port))
        except (OSError, ValueError):
            return None


def restore_power(note: Path, hub: HubPower) -> bool:
    """Gives the port back its power that a killed process noted; whether there was any. AcceleratorFailed where that fails."""
    saving = PowerSaving(hub, 0.0, note)
    port = saving.noted()
    if port is None:
        return False
    saving.give(port)
    return True


class PluggedEdgeTpu:
    """The EdgeTpu port on presence by sysfs. Without `saving` its power is never touched.

    Switching a port takes seconds. Who rests, as each request on the CPU does, never waits for that; who wakes it does.
    """

    def __init__(
        self,
        modes: tuple[EdgeAccelerator, ...],
        presence: BusPresence,
        *,
        saving: PowerSaving | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
        later: Later = later,
    ) -> None:
        self.modes = modes
        self._presence = presence
        self._saving = saving
        self._clock = clock
        self._sleep = sleep
        self._later = later
        self._lock = threading.Lock()
        self._power = threading.Lock()
        self._resting = False
        self._cancel: Cancel | None = None
        self._cut = saving.noted() if saving else None

    def present(self) -> bool:
        return self._cut is not None or self._presence.now()

    def wake(self) -> None:
        self._stay_awake()
        if self._saving is None and self._cut is None:
            self._look()
            return
        with self._power:
            if self._cut is not None:
                self._power_up(self._cut)
            else:
                self._look()

    def rest(self) -> None:
        with self._lock:
            if self._saving is None or self._resting:
                return
            self._resting = True
            self._cancel = self._later(self._saving.after_s, self._power_down)

    def restore(self) -> None:
        self._stay_awake()
        with self._power:
            if self._cut is not None and self._saving is not None:
                try:
                    self._saving.give(self._cut)
                    self._cut = None
                except AcceleratorFailed as error:
                    logger.warning("the Edge TPU's port stays without power: %s", error)

    def _look(self) -> None:
        if not self._presence.now():
            raise AcceleratorFailed("the Edge TPU is not on the bus: is it plugged in, and does its light go on?")

    def _stay_awake(self) -> None:
        with self._lock:
            self._resting = False
            if self._cancel is not None:
                self._cancel()
                self._cancel = None

    def _power_down(self) -> None:
        """After enough rest. Where it cannot be done it is said once and not tried again."""
        with self._power:
            saving = self._saving
            if not self._resting or saving is None or self._cut is not None:
                return
            port = saving.port or (self._presence.port() if self._presence.look() else None)
            if port is None:
                return
            try:
                saving.cut(port)
            except (AcceleratorFailed, OSError) as error:
                logger.warning("the Edge TPU keeps its power: %s", error)
                self._saving = None
                return
            self._cut = port
            logger.info("port %s of hub %s is without power until the Edge TPU is needed", port.port, port.location)

    def _power_up(self, port: HubPort) -> None:
        """A port that stays without power is told again by the next call; one that has it is looked at alone."""
        if self._saving is not None:
            self._saving.give(port)
        self._cut = None
        deadline_s = self._clock() + _WAKES_WITHIN_S
        while not self._presence.look():
            if self._clock() >= deadline_s:
                raise AcceleratorFailed(
                    f"the Edge TPU did not come back within {_WAKES_WITHIN_S:g} s after its port had power again"
                )
            self._sleep(_LOOK_EVERY_S)
