"""Plugs with the firmware Tasmota."""

from __future__ import annotations

from hardware.power.plug import PlugProtocol
from protocol.documents import checked, parse_object
from protocol.errors import InvalidInput

_SENSORS = b"10"
"""`Status 10` tells all sensors, energy among them; `STATUS8` is what old versions answered with (5.x)."""


def tasmota(argument: str) -> PlugProtocol:
    """`<topic>`, such as `tasmota_C59B5E`, in Tasmota's default order of topics (`%prefix%/%topic%/`).

    `cmnd/<topic>/Status 10` is answered on `stat/<topic>/STATUS10`; on `tele/<topic>/SENSOR` it speaks by itself, every 300 s
    (https://tasmota.github.io/docs/Commands: Status, TelePeriod). `ENERGY.Power` is in watts, one number a phase; the total in
    kWh with three digits is too coarse to count by.
    """
    if not argument or any(mark in argument for mark in "+#\0"):
        raise InvalidInput(f"meter 'tasmota' needs the plug's topic, as in tasmota:TOPIC, not {argument!r:.60}")
    return PlugProtocol(
        name=f"Tasmota {argument}",
        says={
            f"stat/{argument}/STATUS10": _watts,
            f"stat/{argument}/STATUS8": _watts,
            f"tele/{argument}/SENSOR": _watts,
        },
        ask_topic=f"cmnd/{argument}/Status",
        ask_payload=_SENSORS,
    )


def _watts(payload: bytes) -> float | None:
    content = parse_object(payload, what="the plug's message")
    sensors = content.get("StatusSNS", content)
    energy = sensors.get("ENERGY") if isinstance(sensors, dict) else None
    if not isinstance(energy, dict) or "Power" not in energy:
        return None
    phases = energy["Power"] if isinstance(energy["Power"], list) else [energy["Power"]]
    return float(sum(checked(watts, float, what="ENERGY.Power") for watts in phases))
