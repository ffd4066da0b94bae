"""Tokens in memory."""

from __future__ import annotations

import threading
from dataclasses import replace

from cloud.store.tokens.port import StoredToken, token_exists, token_unknown


class MemoryTokens:
    """A `TokenStore` that forgets everything with its process."""

    def __init__(self) -> None:
        super().__init__()
        self._named_lock = threading.Lock()
        self._named: dict[str, StoredToken] = {}

    def add_token(self, token: StoredToken) -> None:
        with self._named_lock:
            if token.name in self._named:
                raise token_exists(token.name)
            self._named[token.name] = token

    def tokens(self) -> list[StoredToken]:
        with self._named_lock:
            return sorted(self._named.values(), key=lambda token: token.name)

    def token_with(self, sha256: str) -> StoredToken | None:
        with self._named_lock:
            return next((token for token in self._named.values() if token.sha256 == sha256), None)

    def revoke_token(self, name: str, *, at: float) -> None:
        with self._named_lock:
            if name not in self._named:
                raise token_unknown(name)
            if self._named[name].revoked_at is None:
                self._named[name] = replace(self._named[name], revoked_at=at)

    def note_token_used(self, name: str, *, day: str) -> None:
        with self._named_lock:
            if name in self._named:
                self._named[name] = replace(self._named[name], last_used_on=day)
