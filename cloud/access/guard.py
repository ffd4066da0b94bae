"""Bearer tokens: who calls."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from cloud.access.brake import Brake
from cloud.access.caller import Caller
from cloud.access.scopes import Scope
from cloud.remembered import Remembered
from cloud.store.port import Store
from cloud.waiting import about_to_wait
from protocol.errors import NotAuthenticated, ServiceMissing

logger = logging.getLogger(__name__)

OPERATOR = "operator"
"""The name of the token of the settings, which no other one gets."""

_THE_OPERATOR = Caller.of_token(OPERATOR, frozenset({Scope.ADMIN}))
_FRESH_S = 10.0
_TOKEN_BYTES = 32


@dataclass(frozen=True)
class _Known:
    """Whose token it is, and until when (wall time in seconds since the epoch; None: for good)."""

    caller: Caller
    expires_at: float | None = None
    revoked: bool = False


class Guard:
    """Knows the operator's token and, from the store, the sha256 of all others.

    A token of the store is asked for again after ten seconds; so long may a removed one still serve. Who shows wrong tokens is
    slowed down: ten of a peer within a minute, and nothing that could be guessed is compared any more. Tokens of the store
    go on to serve even from there, with their 256 bits of chance: behind one address there may be a whole fleet.
    """

    def __init__(
        self,
        store: Store,
        *,
        operator_token: str,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._operator = token_sha256(operator_token)
        self._wall = wall
        self._known: Remembered[str, _Known] = Remembered(fresh_s=_FRESH_S, clock=clock)
        self._brake = Brake(store, clock=clock, wall=wall)

    def caller(self, authorization: str, *, peer: str) -> Caller:
        """Who sends this `Authorization` header; NotAuthenticated when nobody that is known, Overloaded after too many of these."""
        scheme, _, token = authorization.strip().partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise NotAuthenticated("this needs a token: send 'Authorization: Bearer <token>'")
        digest = token_sha256(token.strip())
        if hmac.compare_digest(digest, self._operator):
            self._brake.check(peer)
            return _THE_OPERATOR
        # Looking up a digest tells an observer of time nothing about the token.
        known = self._known.get(digest, lambda: self._look_up(digest))
        why = self._useless(known)
        if known is None or why:
            about_to_wait()
            self._brake.check(peer)
            self._brake.note_wrong(peer)
            logger.warning("a token from %s was refused: %s", peer, why)
            raise NotAuthenticated("this token is not good here: ask the operator for another one, or enrol the device")
        return known.caller

    def forget(self) -> None:
        """Asks the store again from now on."""
        self._known.forget()

    def _look_up(self, digest: str) -> _Known | None:
        if (device := self._store.device_with_token(digest)) is not None:
            return _Known(Caller.of_device(device))
        token = self._store.token_with(digest)
        if token is None:
            return None
        scopes = frozenset(scope for scope in Scope if scope.value in token.scopes)
        known = _Known(Caller.of_token(token.name, scopes), token.expires_at, token.revoked_at is not None)
        if not self._useless(known):
            self._note_used(token.name, token.last_used_on)
        return known

    def _useless(self, known: _Known | None) -> str:
        """Why nobody is let in with it, for the log; "" where somebody is."""
        if known is None:
            return "nobody issued it, or its device was removed"
        if known.revoked:
            return f"'{known.caller.name}' was revoked"
        if known.expires_at is not None and self._wall() >= known.expires_at:
            return f"'{known.caller.name}' has expired"
        return ""

    def _note_used(self, name: str, last_used_on: str) -> None:
        today = datetime.datetime.fromtimestamp(self._wall(), datetime.UTC).date().isoformat()
        if last_used_on == today:
            return
        try:
            self._store.note_token_used(name, day=today)
        except ServiceMissing as error:
            logger.warning("that token '%s' was used today is not noted: %s", name, error)


def new_token() -> str:
    """A token with 256 bits of chance."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def token_sha256(token: str) -> str:
    """What is stored in place of a token. Tokens are random, so that neither salt nor a slow hash would add anything."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
