"""Shelly plugs and relays with a power meter, of the first generation and of those after it."""

from __future__ import annotations

import json
import math

from hardware.power.plug import PlugProtocol, Watts
from protocol.documents import checked, parse_object
from protocol.errors import InvalidInput


def shelly1(argument: str) -> PlugProtocol:
    """Generation 1 (Plug, Plug S, 1PM, 2.5): `<id>`, or `<id>/<channel>`, such as `shellyplug-s-C18B12`.

    It publishes watts on `shellies/<id>/relay/<channel>/power` when they change and every 30 s, and at once when told
    `update` on `shellies/<id>/command` (https://shelly-api-docs.shelly.cloud/gen1/#mqtt-support). Its count, in watt-minutes,
    is too coarse.
    """
    name, channel = _named(argument, kind="shelly1")
    return PlugProtocol(
        name=f"Shelly {name}",
        says={f"shellies/{name}/relay/{channel}/power": _plain_watts},
        ask_topic=f"shellies/{name}/command",
        ask_payload=b"update",
    )


def shelly2(argument: str) -> PlugProtocol:
    """Generations 2 to 4 (Plus, Pro, and later): `<topic prefix>`, or `<topic prefix>/<channel>`, such as `shellyplusplugs-a0b1c2`.

    It answers `Switch.GetStatus` on `<prefix>/rpc`, which is on unless switched off, and is heard on `status/switch:<channel>`
    and in `NotifyStatus` on `events/rpc` as well (https://shelly-api-docs.shelly.cloud/gen2/ComponentsAndServices/Mqtt and
    .../Switch). `apower` is in watts.
    """
    prefix, channel = _named(argument, kind="shelly2")
    component, us = f"switch:{channel}", f"{prefix}/dynasplit"
    question = {"id": 1, "src": us, "method": "Switch.GetStatus", "params": {"id": int(channel)}}
    return PlugProtocol(
        name=f"Shelly {prefix}",
        says={
            f"{us}/rpc": _within("result"),
            f"{prefix}/status/{component}": _within(),
            f"{prefix}/events/rpc": _within("params", component),
        },
        ask_topic=f"{prefix}/rpc",
        ask_payload=json.dumps(question).encode(),
    )


def _named(argument: str, *, kind: str) -> tuple[str, str]:
    """Name and channel; a prefix may hold slashes, so only a last part that is a number is a channel."""
    head, _, tail = argument.rpartition("/")
    name, channel = (head, tail) if head and tail.isdecimal() else (argument, "0")
    if not name or any(mark in name for mark in "+#\0"):
        raise InvalidInput(f"meter '{kind}' needs the plug's name, as in {kind}:NAME, not {argument!r:.60}")
    return name, channel


def _plain_watts(payload: bytes) -> float:
    watts = float(payload)
    if not math.isfinite(watts):
        raise ValueError("not a finite number")
    return watts


def _within(*path: str) -> Watts:
    """Reads `apower` of the object at the path; a message may leave it out when only something else changed."""

    def watts(payload: bytes) -> float | None:
        content = parse_object(payload, what="the plug's message")
        for name in path:
            content = content.get(name) or {}
        if not isinstance(content, dict) or content.get("apower") is None:
            return None
        return float(checked(content["apower"], float, what="apower"))

    return watts
