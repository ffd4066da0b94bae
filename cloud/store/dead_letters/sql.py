"""Dead letters in a database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import sqlalchemy as sa

from cloud.database import schema
from cloud.database.access import SqlAccess
from cloud.store.dead_letters.port import DeadLetter


class SqlDeadLetters(SqlAccess):
    """A `DeadLetterStore` in a database. Every method is one transaction."""

    def put_aside(self, letters: Sequence[DeadLetter]) -> None:
        if letters:
            with self._database.writing() as connection:
                self._put_aside(connection, letters)

    def _put_aside(self, connection: sa.Connection, letters: Sequence[DeadLetter]) -> None:
        """Within a transaction, and in one order for all processes."""
        rows = [asdict(letter) for letter in sorted(letters, key=lambda letter: letter.digest)]
        connection.execute(self._insert(schema.dead_letters).on_conflict_do_nothing(), rows)

    def dead_letters(
        self, *, device: str | None = None, before: tuple[float, str] | None = None, limit: int = 100
    ) -> list[DeadLetter]:
        letters = schema.dead_letters.c
        query = sa.select(schema.dead_letters)
        if device is not None:
            query = query.where(letters.device == device)
        if before is not None:
            query = query.where(sa.tuple_(letters.received_at, letters.digest) < sa.tuple_(*before))
        rows = self._all(query.order_by(letters.received_at.desc(), letters.digest.desc()).limit(limit))
        return [DeadLetter(**row._mapping) for row in rows]

    def count_dead_letters(self) -> int:
        return self._count(sa.select(sa.func.count()).select_from(schema.dead_letters))

    def trim_dead_letters(self, *, most: int) -> int:
        letters = schema.dead_letters.c
        place = sa.tuple_(letters.received_at, letters.digest)
        newest = sa.select(letters.received_at, letters.digest).order_by(
            letters.received_at.desc(), letters.digest.desc()
        )
        with self._database.reading() as connection:
            first_to_go = connection.execute(newest.offset(most).limit(1)).first()
        if first_to_go is None:
            return 0
        return self._change(sa.delete(schema.dead_letters).where(place <= sa.tuple_(*first_to_go)))
