"""Tokens as the cloud keeps them: the port, its value and its refusals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from protocol.errors import Conflict, NotFound


@dataclass(frozen=True)
class StoredToken:
    """A token of a person or a program, known by its sha256 alone. Times are wall time in seconds since the epoch.

    `scopes`: in the words of `cloud.access.scopes`. `expires_at`: None for never. `last_used_on`: the day, in UTC, as
    2026-01-31; "" for never.
    """

    name: str
    sha256: str
    scopes: tuple[str, ...]
    created_at: float
    expires_at: float | None = None
    last_used_on: str = ""
    revoked_at: float | None = None


class TokenStore(Protocol):
    """Tokens by name. As `cloud.store.port.Store`: thread-safe, committed on return, ServiceMissing when it is away."""

    def add_token(self, token: StoredToken) -> None:
        """Keeps a token; Conflict when there is or was one of this name."""
        ...

    def tokens(self) -> list[StoredToken]:
        """All, by name, the revoked ones too."""
        ...

    def token_with(self, sha256: str) -> StoredToken | None:
        """The token that has this digest, revoked or not."""
        ...

    def revoke_token(self, name: str, *, at: float) -> None:
        """Makes a token worthless; one that is already keeps its time. NotFound when there is none of this name."""
        ...

    def note_token_used(self, name: str, *, day: str) -> None:
        """A token was shown on this day."""
        ...


def token_exists(name: str) -> Conflict:
    return Conflict(f"there is or was a token '{name}': choose another name, so that the audit tells them apart")


def token_unknown(name: str) -> NotFound:
    return NotFound(f"there is no token '{name}'")
