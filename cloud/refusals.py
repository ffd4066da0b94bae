"""What stores refuse, in the same words by all of them."""

from __future__ import annotations

from protocol.errors import Conflict, NotFound
from protocol.signing import SignedTable


def device_exists(name: str) -> Conflict:
    return Conflict(
        f"device '{name}' is registered already; for a new token have a code issued that replaces the old one "
        f"(dynasplit enroll --issue {name} --replace), or delete it first: DELETE /api/v1/devices/{name}"
    )


def device_unknown(name: str) -> NotFound:
    return NotFound(f"device '{name}' is not registered")


def draft_unknown(digest: str) -> NotFound:
    return NotFound(f"no draft has digest {digest:.64}")


def not_newer(signed: SignedTable, version: int) -> Conflict:
    table = signed.table
    return Conflict(
        f"table version {table.version} for {table.network} on {table.device} is not newer than {version}; "
        f"sign it again under version {version + 1}"
    )
