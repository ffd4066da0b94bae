"""The Edge TPU: whether it is plugged in, may be used, and which of its libraries work with this LiteRT."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

from edge.settings import EdgeSettings
from hardware.accelerator.edge_tpu import NOTE
from hardware.accelerator.presence import find_pci, find_usb
from protocol.configuration import EdgeAccelerator
from tools.doctoring.device import Device
from tools.doctoring.findings import Finding, error, warning, well
from tools.doctoring.trials import Trial, try_library

_RULES = "install 70-dynasplit.rules, add the user to group plugdev, and plug it in again"
_UNPACK = "unpack libedgetpu there (guide: models), or name it with the settings {}"
_OTHER = "take a build of libedgetpu for this LiteRT (guide: models)"

_SETTINGS = {EdgeAccelerator.STD: "edgetpu_std_library", EdgeAccelerator.MAX: "edgetpu_max_library"}
_DEFAULTS = {field.name: field.default for field in fields(EdgeSettings)}

Try = Callable[..., Trial]


def check_edge_tpu(device: Device, *, agent_runs: bool = False, trial: Try = try_library) -> Iterator[Finding]:
    """What is plugged in, and each library that lies where the settings say. While the agent runs the TPU is its own: then it
    is not opened."""
    if device.emulated:
        return
    libraries = {kind: path for kind, path in _libraries(device).items() if path.is_file()}
    place = find_usb(device.sys) or find_pci(device.sys)
    if place is None and not libraries:
        yield well("Edge TPU", "none is plugged in, and none is set up")
        return
    yield _plugged(device, place, agent_runs=agent_runs)
    if not libraries:
        names = " or ".join(_SETTINGS.values())
        seen = f"no library lies at {' or '.join(map(str, _libraries(device).values()))}"
        yield warning("Edge TPU", f"{seen}: it is not used", _UNPACK.format(names))
    opens = place is not None and not agent_runs
    for kind, library in libraries.items():
        yield _tried(device, kind, trial(library, opens=opens, device=_wanted(device)), opens=opens)


def _libraries(device: Device) -> dict[EdgeAccelerator, Path]:
    return {
        kind: getattr(device.settings, name) if device.settings else Path(str(_DEFAULTS[name]))
        for kind, name in _SETTINGS.items()
    }


def _wanted(device: Device) -> str:
    return device.settings.edgetpu_device if device.settings else ""


def _plugged(device: Device, place: Path | None, *, agent_runs: bool) -> Finding:
    if place is None:
        return _away(device.run_dir / NOTE, agent_runs=agent_runs)
    node = _node(device.dev, place)
    name = f"{_name(place)} at {place.name}"
    if node is None or not node.exists():
        return warning("Edge TPU", f"{name} has no device node", "in a container, pass /dev/bus/usb or /dev/apex_0 on")
    if not os.access(node, os.R_OK | os.W_OK):
        return error("Edge TPU", f"{name}: this user may not use {node}", _RULES)
    return well("Edge TPU", f"{name}, {node}")


def _away(note: Path, *, agent_runs: bool) -> Finding:
    """A port without power is noted: by an agent that saves, or by one that was killed."""
    if not note.exists():
        return warning(
            "Edge TPU",
            "set up, but neither 1a6e:089a nor 18d1:9302 is on the USB bus",
            "plug it in; see dmesg and lsusb",
        )
    if agent_runs:
        return well("Edge TPU", "its port is without power until it is needed")
    return warning(
        "Edge TPU",
        "a killed agent has left its port without power",
        "give it back: dynasplit-edge --restore --config edge.toml",
    )


def _node(dev: Path, place: Path) -> Path | None:
    """`/dev/bus/usb/BUS/DEVICE` by the numbers in its folder (Documentation/ABI/stable/sysfs-bus-usb), or `/dev/apex_N`."""
    if place.name.startswith("apex_"):
        return dev / place.name
    try:
        bus, number = (int((place / name).read_text()) for name in ("busnum", "devnum"))
    except (OSError, ValueError):
        return None
    return dev / f"bus/usb/{bus:03d}/{number:03d}"


def _name(place: Path) -> str:
    if place.name.startswith("apex_"):
        return "one on PCIe"
    ids = ":".join((place / name).read_text().strip() for name in ("idVendor", "idProduct"))
    return f"{ids} ({'before' if ids == '1a6e:089a' else 'with'} its firmware)"


def _tried(device: Device, kind: EdgeAccelerator, tried: Trial, *, opens: bool) -> Finding:
    subject, setting = f"Edge TPU {kind}", _SETTINGS[kind]
    if tried.obstacle:
        advice = f"{_OTHER}, or correct the setting '{setting}'"
        return error(subject, tried.obstacle, advice) if device.settings else warning(subject, tried.obstacle, advice)
    runtime = tried.runtime or "a library that does not tell its version"
    return well(subject, f"{runtime} {'opens it with this LiteRT' if opens else 'can be loaded'}")
