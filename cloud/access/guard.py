"""Bearer tokens: who calls."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

from cloud.access.caller import Caller
from cloud.access.scopes import Scope
from cloud.remembered import Remembered
from cloud.store.port import Store
from protocol.errors import NotAuthenticated

_FRESH_S = 10.0
_TOKEN_BYTES = 32
_OPERATOR = "operator"


class Guard:
    """Knows the operator's token and, from the store, the sha256 of the devices'.

    A device's token is asked for again after ten seconds; so long may a removed one still serve.
    """

    def __init__(self, store: Store, *, operator_token: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._operator = token_sha256(operator_token)
        self._devices: Remembered[str, str] = Remembered(fresh_s=_FRESH_S, clock=clock)

    def caller(self, authorization: str) -> Caller:
        """Who sends this `Authorization` header; NotAuthenticated when nobody that is known."""
        scheme, _, token = authorization.strip().partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise NotAuthenticated("this needs a token: send 'Authorization: Bearer <token>'")
        digest = token_sha256(token.strip())
        if hmac.compare_digest(digest, self._operator):
            return Caller.of_token(_OPERATOR, frozenset({Scope.ADMIN}))
        # Looking up a digest tells an observer of time nothing about the token.
        device = self._devices.get(digest, lambda: self._store.device_with_token(digest))
        if device is None:
            raise NotAuthenticated("this token is not known here; register the device or check the operator token")
        return Caller.of_device(device)

    def forget(self) -> None:
        """Asks the store again from now on."""
        self._devices.forget()


def new_token() -> str:
    """A token for a device, with 256 bits of chance."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def token_sha256(token: str) -> str:
    """What is stored in place of a token. Tokens are random, so that neither salt nor a slow hash would add anything."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
