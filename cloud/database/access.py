"""What all parts of the store in a database share: its transactions, and how its dialect inserts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cloud.database.engine import Database

Insert = sqlite.Insert | postgresql.Insert


class SqlAccess:
    """A database behind statements that are each one transaction."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        self._insert: Callable[[sa.Table], Insert] = (
            postgresql.insert if self._database.dialect == "postgresql" else sqlite.insert
        )

    def close(self) -> None:
        self._database.close()

    def _change(self, statement: sa.Executable) -> int:
        """Runs one statement in a transaction of its own; how many rows it changed."""
        with self._database.writing() as connection:
            return changed_by(connection, statement)

    def _all(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        with self._database.reading() as connection:
            return connection.execute(query).all()

    def _count(self, query: sa.Select[Any]) -> int:
        return int(self._all(query)[0][0])


def changed_by(connection: sa.Connection, statement: sa.Executable) -> int:
    """Runs a statement within a transaction; how many rows it changed, which PostgreSQL tells of an INSERT only when asked."""
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount
