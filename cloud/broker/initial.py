"""Makes the file that Mosquitto's dynamic security plugin starts from: users for backend and ingest, and what they may do.

Passwords come from the environment (DYNASPLIT_BACKEND_BROKER_PASSWORD, DYNASPLIT_INGEST_BROKER_PASSWORD), so that no list of
processes shows them. A file that is there is left alone: Mosquitto keeps the devices' accounts in it.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cloud.broker.control import COMMANDS, RESPONSES
from cloud.broker.dynamic_security import RECEIVE, rights
from protocol import topics
from protocol.errors import DynaSplitError, InvalidInput

USERS = {"backend": ("backend", "accounts"), "ingest": ("ingest",)}
"""The cloud's users and their roles: only the backend may change accounts."""

_TOLD = [topics.desired("+", "+"), topics.job("+")]
"""What devices are told: by the backend at once, by ingest later, and stage by stage."""

_CLEARED = [topics.availability("+"), topics.state("+"), topics.reported("+", "+")]
"""What devices say of themselves, retained: the backend clears it when one is retired."""

ROLES = {
    "backend": rights([*_TOLD, *_CLEARED], []),
    "ingest": [
        *rights(
            [topics.ack("+"), *_TOLD],
            [topics.telemetry("+"), topics.availability("+"), topics.reported("+", "+"), topics.job_reported("+")],
        ),
        # The plugin looks at a shared subscription as it is written.
        {"acltype": "subscribePattern", "topic": f"$share/{topics.INGEST}/{topics.telemetry('+')}", "allow": True},
    ],
    "accounts": rights([COMMANDS], [RESPONSES]),
    # For a user that the operator adds: whoever shows the devices at home.
    "home-assistant": rights(
        [f"{topics.HOME_ASSISTANT}/status"],
        [f"{topics.HOME_ASSISTANT}/#", topics.availability("+"), topics.state("+")],
    ),
}
DEFAULT_ACCESS = {"publishClientSend": False, RECEIVE: False, "subscribe": False, "unsubscribe": True}
"""What goes for topics that no role of a user names."""

_ITERATIONS = 10_000
_SALT_BYTES = 12


def document(passwords: Mapping[str, str]) -> dict[str, Any]:
    """The plugin's configuration, as `mosquitto_ctrl dynsec init` lays it out, for the users' passwords."""
    return {
        "defaultACLAccess": DEFAULT_ACCESS,
        "roles": [{"rolename": name, "acls": acls} for name, acls in ROLES.items()],
        "clients": [_client(user, password=passwords[user], roles=roles) for user, roles in USERS.items()],
    }


def _client(user: str, *, password: str, roles: Sequence[str]) -> dict[str, Any]:
    salt = secrets.token_bytes(_SALT_BYTES)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return {
        "username": user,
        "roles": [{"rolename": role} for role in roles],
        "password": base64.b64encode(key).decode(),
        "salt": base64.b64encode(salt).decode(),
        "iterations": _ITERATIONS,
    }


def write(path: Path, passwords: Mapping[str, str]) -> bool:
    """Writes the file, mode 0600; False when it is there already. Killed at any moment, it leaves the whole file or none."""
    beside = path.with_name(f"{path.name}.new")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(document(passwords), file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        os.link(beside, path)  # unlike a rename, never over a file that is there
    except FileExistsError:
        return False
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}") from error
    finally:
        beside.unlink(missing_ok=True)
    return True


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m cloud.broker.initial FILE`: 0 when the file is there in the end, 2 when it cannot be made."""
    parser = argparse.ArgumentParser(
        prog="python -m cloud.broker.initial", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path, metavar="FILE", help="the plugin's plugin_opt_config_file")
    path: Path = parser.parse_args(argv).path
    try:
        made = write(path, {user: _password(user) for user in USERS})
    except DynaSplitError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return error.exit_code
    sys.stdout.write(f"{'made' if made else 'left as it is'}: {path}\n")
    return 0


def _password(user: str) -> str:
    name = f"DYNASPLIT_{user.upper()}_BROKER_PASSWORD"
    if not (password := os.environ.get(name, "")):
        raise InvalidInput(f"{name} is not set: make one with openssl rand -hex 24")
    return password


if __name__ == "__main__":
    raise SystemExit(main())
