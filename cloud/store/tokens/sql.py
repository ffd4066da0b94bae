"""Tokens in a database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cloud.database import schema
from cloud.database.access import SqlAccess
from cloud.store.tokens.port import StoredToken, token_exists, token_unknown

_ALL = sa.select(schema.tokens)


class SqlTokens(SqlAccess):
    """A `TokenStore` in a database."""

    def add_token(self, token: StoredToken) -> None:
        values = {**vars(token), "scopes": " ".join(token.scopes)}
        if not self._change(self._insert(schema.tokens).values(**values).on_conflict_do_nothing()):
            raise token_exists(token.name)

    def tokens(self) -> list[StoredToken]:
        return [_token(row) for row in self._all(_ALL.order_by(schema.tokens.c.name))]

    def token_with(self, sha256: str) -> StoredToken | None:
        rows = self._all(_ALL.where(schema.tokens.c.sha256 == sha256))
        return _token(rows[0]) if rows else None

    def revoke_token(self, name: str, *, at: float) -> None:
        columns = schema.tokens.c
        first = sa.func.coalesce(columns.revoked_at, at)
        if not self._change(sa.update(schema.tokens).where(columns.name == name).values(revoked_at=first)):
            raise token_unknown(name)

    def note_token_used(self, name: str, *, day: str) -> None:
        self._change(sa.update(schema.tokens).where(schema.tokens.c.name == name).values(last_used_on=day))


def _token(row: sa.Row[Any]) -> StoredToken:
    return StoredToken(**{**row._mapping, "scopes": tuple(row.scopes.split())})
