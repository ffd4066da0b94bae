"""The Edge TPU that the settings tell of: a real one where its libraries are, or the emulated one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from edge.settings import EdgeSettings
from hardware.accelerator.edge_tpu import NOTE, PluggedEdgeTpu, PowerSaving
from hardware.accelerator.emulated_usb import EmulatedUsb
from hardware.accelerator.hub_power import HubPower, Run, run_program
from hardware.accelerator.port import EdgeTpu
from hardware.accelerator.presence import BusPresence, HubPort
from hardware.profile import emulated_names
from protocol.configuration import EdgeAccelerator
from protocol.errors import InvalidInput, NotAllowed

logger = logging.getLogger(__name__)


def emulated_usb(settings: EdgeSettings) -> EmulatedUsb | None:
    """The folder that stands for the bus of an emulated Edge TPU; None where there is none."""
    return EmulatedUsb(settings.data_dir / "emulated-usb") if settings.emulated_tpu else None


def open_edge_tpu(settings: EdgeSettings, *, release: Callable[[], None]) -> EdgeTpu | None:
    """The device's Edge TPU, there at the moment or not; None where it is not set up for one. `release` closes what is open
    on it before its power is cut. InvalidInput for an emulated one on a real board."""
    emulated = settings.board in emulated_names()
    if settings.emulated_tpu and not emulated:
        raise InvalidInput(f"setting 'emulated_tpu' is for an emulated board, and 'board' is {settings.board}")
    usb = emulated_usb(settings)
    if usb is not None:
        return _emulated(settings, usb, release)
    modes = () if emulated else _modes(settings)
    if not modes:
        return None
    logger.info("set up for an Edge TPU: %s", ", ".join(modes))
    saving = _saving(settings, run_program, release)
    return PluggedEdgeTpu((EdgeAccelerator.OFF, *modes), BusPresence(settings.sysfs), saving=saving)


def _emulated(settings: EdgeSettings, usb: EmulatedUsb, release: Callable[[], None]) -> EdgeTpu:
    """Plugged in at the very first start; from then on its folder says what is."""
    if not usb.root.exists():
        usb.plug()
    saving = _saving(settings, usb.uhubctl, release)
    return PluggedEdgeTpu(tuple(EdgeAccelerator), BusPresence(usb.root), saving=saving)


def _modes(settings: EdgeSettings) -> tuple[EdgeAccelerator, ...]:
    libraries: dict[EdgeAccelerator, Path] = {
        EdgeAccelerator.STD: settings.edgetpu_std_library,
        EdgeAccelerator.MAX: settings.edgetpu_max_library,
    }
    return tuple(kind for kind, library in libraries.items() if _lies_there(library))


def _lies_there(library: Path) -> bool:
    try:
        return library.is_file()
    except PermissionError as error:
        raise NotAllowed(
            f"{library} may not be looked at by this user, and nothing in /home by a service: move the library to /usr/local/lib"
        ) from error


def _saving(settings: EdgeSettings, run: Run, release: Callable[[], None]) -> PowerSaving | None:
    if not settings.edgetpu_power_down_s:
        return None
    port = HubPort(settings.edgetpu_usb_hub, settings.edgetpu_usb_port) if settings.edgetpu_usb_hub else None
    note = (settings.data_dir if settings.emulated_tpu else settings.run_dir) / NOTE
    return PowerSaving(HubPower(run), settings.edgetpu_power_down_s, note, port, before=release)
