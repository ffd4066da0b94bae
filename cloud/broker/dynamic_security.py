"""Accounts in Mosquitto's dynamic security plugin, and its rights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cloud.broker.accounts import user_of
from cloud.broker.control import PATIENCE_S, Control
from protocol import topics
from protocol.mqtt.address import BrokerAddress

RECEIVE = "publishClientReceive"
"""The kind of ACL that a message is held against before it goes out to somebody."""

_THERE_ALREADY = {"createRole": "Role already exists", "createClient": "Client already exists"}
_GONE_ALREADY = {"deleteClient": "Client not found", "deleteRole": "Role not found"}


class DynamicSecurity:
    """`BrokerAccounts` in the plugin. Connects for each change, as a user who may send it commands."""

    def __init__(self, address: BrokerAddress, *, patience_s: float = PATIENCE_S) -> None:
        self._control = Control(address, patience_s=patience_s)

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
        self._control.tell(commands, forgiven=_THERE_ALREADY)
        return user

    def remove(self, device: str) -> bool:
        user = user_of(device)
        commands = [{"command": "deleteClient", "username": user}, {"command": "deleteRole", "rolename": user}]
        answers = self._control.tell(commands, forgiven=_GONE_ALREADY)
        return not any(answer.get("error") for answer in answers if answer.get("command") == "deleteClient")


def rights_of(device: str) -> list[dict[str, Any]]:
    """What a device may do, as the plugin's ACLs."""
    return rights(topics.written_by(device), topics.read_by(device))


def rights(writes: Iterable[str], reads: Iterable[str]) -> list[dict[str, Any]]:
    """ACLs that allow to publish to topics with wildcards, and to subscribe to others and receive what comes on them; anything
    else is denied by default.

    Who may subscribe to nothing receives all the same: what another user's session subscribed to that he takes over by its
    client id (MQTT 3.1.1, section 3.1.4).
    """
    sends = [_allowed("publishClientSend", topic) for topic in writes]
    return sends + [_allowed(kind, topic) for topic in reads for kind in ("subscribePattern", RECEIVE)]


def _allowed(kind: str, topic: str) -> dict[str, Any]:
    return {"acltype": kind, "topic": topic, "allow": True}
