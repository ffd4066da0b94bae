"""Accounts in Mosquitto's dynamic security plugin (https://mosquitto.org/documentation/dynamic-security/).

Commands are JSON on `$CONTROL/dynamic-security/v1`; the answers come on the topic `response` below it, each with the
`correlationData` of its command.
"""

from __future__ import annotations

import json
import queue
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cloud.broker.accounts import user_of
from protocol import topics
from protocol.errors import ServiceMissing
from protocol.mqtt.address import BrokerAddress
from protocol.mqtt.bus import MqttBus

COMMANDS = "$CONTROL/dynamic-security/v1"
RESPONSES = f"{COMMANDS}/response"

_PATIENCE_S = 5.0
_THERE_ALREADY = {"createRole": "Role already exists", "createClient": "Client already exists"}
_GONE_ALREADY = {"deleteClient": "Client not found", "deleteRole": "Role not found"}


class DynamicSecurity:
    """`BrokerAccounts` in the plugin. Connects for each change, as a user who may send it commands."""

    def __init__(self, address: BrokerAddress, *, patience_s: float = _PATIENCE_S) -> None:
        self._address = address
        self._patience_s = patience_s

    def add(self, device: str, password: str) -> str:
        user = user_of(device)
        role, roles = {"rolename": user, "acls": rights_of(device)}, [{"rolename": user}]
        client = {"username": user, "password": password, "roles": roles}
        # What is there already is changed to what a new one would be.
        commands: list[dict[str, Any]] = [
            {"command": "createRole", **role},
            {"command": "modifyRole", **role},
            {"command": "createClient", **client},
            {"command": "modifyClient", **client},
        ]
        self._told(commands, forgiven=_THERE_ALREADY)
        return user

    def remove(self, device: str) -> bool:
        user = user_of(device)
        commands = [{"command": "deleteClient", "username": user}, {"command": "deleteRole", "rolename": user}]
        return not self._told(commands, forgiven=_GONE_ALREADY).get("deleteClient")

    def _told(self, commands: Sequence[Mapping[str, Any]], *, forgiven: Mapping[str, str]) -> dict[str, str]:
        """The errors by command, all of them forgiven; ServiceMissing for any other and for none that answers."""
        mark = uuid.uuid4().hex
        errors: dict[str, str] = {}
        for answer in self._answers([{**command, "correlationData": mark} for command in commands], mark):
            command, error = str(answer.get("command")), str(answer.get("error", ""))
            if error and forgiven.get(command) != error:
                raise ServiceMissing(f"broker {self._address} refused to change its accounts: {command}: {error}")
            errors[command] = error
        return errors

    def _answers(self, commands: Sequence[Mapping[str, Any]], mark: str) -> list[Mapping[str, Any]]:
        heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        bus = MqttBus(self._address, client_id=f"dynasplit-accounts-{mark[:12]}")
        bus.subscribe(RESPONSES, lambda _topic, payload: heard.put(payload))
        request = json.dumps({"commands": commands}).encode()

        def ask() -> None:
            bus.publish(COMMANDS, request)

        bus.on_connect(ask)
        bus.start()
        try:
            return self._gathered(heard, mark, count=len(commands))
        finally:
            bus.stop()

    def _gathered(self, heard: queue.SimpleQueue[bytes], mark: str, *, count: int) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        end_s = time.monotonic() + self._patience_s
        while len(found) < count:
            try:
                payload = heard.get(timeout=max(0.0, end_s - time.monotonic()))
            except queue.Empty:
                raise ServiceMissing(
                    f"broker {self._address} answered no change of its accounts within {self._patience_s:g} s: does it run the "
                    "dynamic security plugin, and may the backend's user send it commands?"
                ) from None
            found += [answer for answer in _responses(payload) if answer.get("correlationData") == mark]
        return found


def rights_of(device: str) -> list[dict[str, Any]]:
    """What a device may do, as the plugin's ACLs."""
    return rights(topics.written_by(device), topics.read_by(device))


def rights(writes: Iterable[str], reads: Iterable[str]) -> list[dict[str, Any]]:
    """ACLs that allow to publish to and to subscribe to topics with wildcards; anything else is denied by default."""
    sends = [{"acltype": "publishClientSend", "topic": topic, "allow": True} for topic in writes]
    return sends + [{"acltype": "subscribePattern", "topic": topic, "allow": True} for topic in reads]


def _responses(payload: bytes) -> list[Mapping[str, Any]]:
    try:
        content = json.loads(payload)
    except ValueError:
        content = None
    found = content.get("responses") if isinstance(content, dict) else None
    return [answer for answer in found or [] if isinstance(answer, dict)]
