"""A table for many devices: which ones, signed for each, sent as a rollout, and watched to its end."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cloud.store.rollouts.values import RolloutState
from protocol.errors import InvalidInput, NotFound
from protocol.signing import SignedTable, sign
from protocol.table import Table
from tools.backend import Backend
from tools.output import console
from tools.watching import Watch

_LEAST_PREFIX = 6


def devices_with(backend: Backend, labels: Mapping[str, str]) -> list[str]:
    """Registered devices that have all the labels; NotFound when there is none."""
    found = backend.devices_with(labels)
    if not found:
        wanted = ", ".join(f"{key}={value}" for key, value in labels.items())
        raise NotFound(
            f"no registered device has the label {wanted:.200}; labels are given by PUT {backend.url}/api/v1/devices/DEVICE/labels"
        )
    return sorted(found)


def signed_for(backend: Backend, table: Table, devices: Sequence[str], private_key: str) -> list[SignedTable]:
    """The table for each device under its next version, signed here: the private key stays on this machine."""
    last = {str(item["device"]): item["last_version"] for item in backend.standings(table.network)}
    return [sign(replace(table, device=device, version=last.get(device, 0) + 1), private_key) for device in devices]


def watch(backend: Backend, rollout: Mapping[str, Any], *, timeout_s: float = float("inf")) -> dict[str, Any]:
    """Tells each change until the rollout has ended; ServiceMissing when it has not in time."""
    told = ""

    def settled(found: Mapping[str, Any]) -> bool:
        nonlocal told
        if (line := line_of(found)) != told:
            console().print(line, highlight=False, soft_wrap=True)
            told = line
        return RolloutState(found["state"]).final

    return Watch(timeout_s).until(
        settled,
        lambda: backend.rollout(str(rollout["id"])),
        unsettled=lambda found: (
            f"rollout {found['id']} has not ended within {timeout_s:g} s; it goes on: {line_of(found)}"
        ),
    )


def line_of(rollout: Mapping[str, Any]) -> str:
    """How far a rollout is, in a line."""
    counts = ", ".join(f"{count} {state}" for state, count in sorted(rollout["counts"].items()))
    reason = f": {rollout['reason']}" if rollout["reason"] else ""
    return f"{rollout['id']}  {rollout['network']}  {rollout['state']}, stage {rollout['stage']}: {counts}{reason}"


def version_named(backend: Backend, device: str, network: str, word: str) -> Table:
    """A table that the device was to use before: by its version, by the start of its digest, or (empty) the one before
    the current one. NotFound when there is none."""
    history = backend.history(device, network)
    chosen = history[1:2] if not word else [each for each in history if _is_named(each, word)]
    if len(chosen) > 1:
        raise InvalidInput(f"several tables of {network} on {device} begin with {word:.64}: give more of the digest")
    if not chosen:
        known = ", ".join(f"{each['version']} ({each['digest']:.12})" for each in history) or "none"
        raise NotFound(
            f"{device} never had {f'table {word:.64}' if word else 'a table before'} of {network}; known: {known:.300}"
        )
    return backend.signed_table(device, network, str(chosen[0]["digest"])).table


def _is_named(version: Mapping[str, Any], word: str) -> bool:
    if word.isascii() and word.isdigit() and len(word) < _LEAST_PREFIX:
        return bool(int(word) == version["version"])
    if not re.fullmatch(f"[0-9a-f]{{{_LEAST_PREFIX},64}}", word):
        raise InvalidInput(
            f"{word!r:.70} names no table: give its version, or {_LEAST_PREFIX} or more digits of its digest"
        )
    return str(version["digest"]).startswith(word)
