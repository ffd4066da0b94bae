"""Gives the roles of a broker that an older version set up the rights of this one, while it runs.

The cloud's own roles get the rights that they lack. Older versions left it to the broker's default, which allowed it, who
receives what: each role is now allowed to receive what it may subscribe to, an operator's own roles too, and nothing else is
received by anybody. It may be repeated. Connects as the backend does, by DYNASPLIT_BROKER_URL.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cloud.broker.control import Control
from cloud.broker.dynamic_security import RECEIVE
from cloud.broker.initial import DEFAULT_ACCESS, ROLES
from protocol.errors import DynaSplitError, InvalidInput
from protocol.mqtt.address import BrokerAddress

_SUBSCRIBES = ("subscribePattern", "subscribeLiteral")
_THERE_ALREADY = {"addRoleACL": "ACL with this topic already exists"}
_LOT = 50
"""Commands at a time: the plugin writes its whole file after each."""
_PATIENCE_S = 60.0


def renew(control: Control) -> int:
    """How many rights were added. ServiceMissing when the broker does not do it; repeat it then."""
    (listed,) = control.tell([{"command": "listRoles", "verbose": True}], forgiven={})
    roles = listed.get("data", {}).get("roles", [])
    commands = [_allowing(role, kind, topic) for role, kind, topic in _missing(roles)]
    for start in range(0, len(commands), _LOT):
        control.tell(commands[start : start + _LOT], forgiven=_THERE_ALREADY)
    denied = [{"acltype": kind, "allow": allow} for kind, allow in DEFAULT_ACCESS.items()]
    control.tell([{"command": "setDefaultACLAccess", "acls": denied}], forgiven={})
    return len(commands)


def _missing(roles: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Roles, and kinds and topics of the rights that each has no word on: to receive what it may subscribe to, and what the
    cloud's own need."""
    for role in roles:
        acls = role.get("acls", [])
        told = {(acl["acltype"], acl["topic"]) for acl in acls}
        wanted = {(acl["acltype"], acl["topic"]) for acl in ROLES.get(role["rolename"], [])}
        read = (_without_group(acl["topic"]) for acl in acls if acl["acltype"] in _SUBSCRIBES and acl["allow"])
        wanted |= {(RECEIVE, topic) for topic in read}
        for kind, topic in sorted(wanted - told):
            yield role["rolename"], kind, topic


def _without_group(topic: str) -> str:
    """What a shared subscription, `$share/<group>/<topic>`, receives (MQTT 5, section 4.8.2)."""
    return topic.split("/", 2)[2] if topic.startswith("$share/") else topic


def _allowing(role: str, kind: str, topic: str) -> dict[str, Any]:
    return {"command": "addRoleACL", "rolename": role, "acltype": kind, "topic": topic, "allow": True}


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m cloud.broker.renewal`: 0 when it is done, 2 without an address, 4 when the broker does not do it."""
    parser = argparse.ArgumentParser(
        prog="python -m cloud.broker.renewal",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(argv)
    try:
        added = renew(Control(_address(), patience_s=_PATIENCE_S))
    except DynaSplitError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return error.exit_code
    sys.stdout.write(f"{added} rights added; what no role names is received by nobody\n")
    return 0


def _address() -> BrokerAddress:
    if not (url := os.environ.get("DYNASPLIT_BROKER_URL", "")):
        raise InvalidInput("DYNASPLIT_BROKER_URL is not set: give the backend's")
    return BrokerAddress.parse(url)


if __name__ == "__main__":
    raise SystemExit(main())
