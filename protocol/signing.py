"""Signed tables: Ed25519 over the canonical content (RFC 8032)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from protocol.documents import canonical_bytes, check_schema, field
from protocol.errors import InvalidInput, SignatureInvalid
from protocol.table import Table

SCHEMA = 1


@dataclass(frozen=True)
class SignedTable:
    """A table with the operator's signature over its canonical content."""

    table: Table
    signature: str

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "table": self.table.to_json(),
            "digest": self.table.digest,
            "signature": self.signature,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], *, what: str = "signed table") -> SignedTable:
        """Parses; the digest is checked here, the signature by `verify`."""
        check_schema(content, current=SCHEMA, what=what)
        table = Table.from_json(field(content, "table", dict, what=what), what=what)
        stated = field(content, "digest", str, what=what)
        if stated != table.digest:
            raise SignatureInvalid(f"{what}: the content has digest {table.digest:.12}, not {stated:.12} as stated")
        return cls(table=table, signature=field(content, "signature", str, what=what))


def generate_private_key() -> str:
    """A new private key, 32 bytes in base64."""
    return base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()


def public_key_of(private_key: str) -> str:
    """The public half of a private key, 32 bytes in base64."""
    return base64.b64encode(_private(private_key).public_key().public_bytes_raw()).decode()


def check_public_key(key: str, *, what: str = "the public key") -> None:
    """InvalidInput, naming `what`, unless it is 32 bytes in base64."""
    _decoded(key, what=what)


def sign(table: Table, private_key: str) -> SignedTable:
    """The table with a signature that `verify` accepts under the public half of `private_key`."""
    signature = _private(private_key).sign(canonical_bytes(table.to_json()))
    return SignedTable(table, base64.b64encode(signature).decode())


def verify(signed: SignedTable, public_key: str) -> None:
    """Raises SignatureInvalid unless the operator who holds the private half signed just this content."""
    key = Ed25519PublicKey.from_public_bytes(_decoded(public_key, what="the public key"))
    content = canonical_bytes(signed.table.to_json())
    try:
        key.verify(base64.b64decode(signed.signature, validate=True), content)
    except (InvalidSignature, ValueError) as error:  # ValueError: not base64, or not even ASCII
        raise SignatureInvalid(
            f"table {signed.table.digest:.12} was not signed by the operator's key pinned on this device"
        ) from error


def _private(private_key: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(_decoded(private_key, what="the private key"))


def _decoded(text: str, *, what: str) -> bytes:
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except ValueError as error:
        raise InvalidInput(f"{what} is not base64: {error}") from error
    if len(raw) != 32:
        raise InvalidInput(f"{what} must be 32 bytes in base64, not {len(raw)}; make one with: dynasplit keys")
    return raw
