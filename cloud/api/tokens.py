"""Tokens of people and programs: made with scopes, listed, revoked."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated

from flask import Blueprint, Response, jsonify
from pydantic import Field

from cloud.access.guard import OPERATOR, new_token, token_sha256
from cloud.access.scopes import Scope, scope_named
from cloud.api.access import allowed
from cloud.api.auditing import about
from cloud.api.described import Operation, described
from cloud.api.given import GrantModel, body_of
from cloud.services import services
from cloud.store.tokens.port import StoredToken, token_exists
from protocol import topics

blueprint = Blueprint("tokens", __name__)

_MOST_S = 3650 * 86_400.0


class TokenOrder(GrantModel):
    """`ttl_s`: how long it is good; without it, until it is revoked."""

    name: str
    scopes: Annotated[list[str], Field(min_length=1, max_length=len(Scope))]
    ttl_s: Annotated[float, Field(ge=1.0, le=_MOST_S)] | None = None


@dataclass(frozen=True)
class NewToken:
    """A token, told this once. `expires_at`: in seconds since the epoch, null for never."""

    name: str
    token: str
    scopes: list[Scope]
    expires_at: float | None


@dataclass(frozen=True)
class TokenFacts:
    """What is kept of a token. Times in seconds since the epoch; `last_used_on`: a day in UTC, "" for never."""

    name: str
    scopes: list[Scope]
    created_at: float
    expires_at: float | None
    last_used_on: str
    revoked_at: float | None


@blueprint.post("/api/v1/tokens")
@allowed(Scope.ADMIN)
@described(Operation(body=TokenOrder, answers={201: NewToken}, refusals=(409,)))
def create() -> tuple[Response, int]:
    """Makes a token. It is told here and never again."""
    order = body_of(TokenOrder, what="token")
    name = topics.check_name(order.name, what="token")
    scopes = sorted({scope_named(scope) for scope in order.scopes}, key=list(Scope).index)
    about(f"{name}: {' '.join(scopes)}")
    if name == OPERATOR:
        raise token_exists(name)
    token, now = new_token(), time.time()
    expires_at = None if order.ttl_s is None else now + order.ttl_s
    services().store.add_token(StoredToken(name, token_sha256(token), tuple(scopes), now, expires_at))
    return jsonify(NewToken(name, token, scopes, expires_at)), 201


@blueprint.get("/api/v1/tokens")
@allowed(Scope.ADMIN)
@described(Operation(answers={200: list[TokenFacts]}))
def list_tokens() -> Response:
    """All tokens by name, the revoked ones too; not the operator's of the settings, and not the devices'."""
    return jsonify([_facts(token) for token in services().store.tokens()])


@blueprint.delete("/api/v1/tokens/<name>")
@allowed(Scope.ADMIN)
@described(Operation(answers={204: None}))
def revoke(name: str) -> tuple[str, int]:
    """Makes a token worthless, at once here and within ten seconds elsewhere. Its name is not given again."""
    made = services()
    made.store.revoke_token(name, at=time.time())
    made.guard.forget()
    return "", 204


def _facts(token: StoredToken) -> TokenFacts:
    scopes = [scope for scope in Scope if scope.value in token.scopes]
    return TokenFacts(token.name, scopes, token.created_at, token.expires_at, token.last_used_on, token.revoked_at)
