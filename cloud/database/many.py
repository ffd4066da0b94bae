"""Many rows in one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cloud.database.json_text import json_text

Row = Mapping[str, Any]


def add_new(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Inserts rows, all with the same columns; one whose key is there already changes nothing."""
    if connection.dialect.name == "postgresql":
        connection.execute(_from_document(table, list(rows[0])), {"rows": _document(table, rows)})
    else:
        connection.execute(sqlite.insert(table).on_conflict_do_nothing(), rows)


def _from_document(table: sa.Table, names: Sequence[str]) -> postgresql.Insert:
    """All rows in one JSON document: PostgreSQL takes it apart in a fraction of the time that a statement per row takes."""
    columns = [table.c[name] for name in names]
    taken = sa.func.json_to_recordset(sa.cast(sa.bindparam("rows", type_=sa.Text), postgresql.JSON))
    found = taken.table_valued(*(sa.column(column.name, _sent(column)) for column in columns), name="sent")
    found = found.render_derived(with_types=True)
    values = [sa.cast(found.c[column.name], column.type) for column in columns]
    query = sa.select(*values).select_from(found)
    return postgresql.insert(table).from_select(list(names), query).on_conflict_do_nothing()


def _sent(column: sa.Column[Any]) -> Any:
    """JSON goes as its text: within a document PostgreSQL would stumble over what only JSON can hold, as NUL."""
    return sa.Text() if isinstance(column.type, sa.JSON) else column.type


def _document(table: sa.Table, rows: Sequence[Row]) -> str:
    documents = [column.name for column in table.columns if isinstance(column.type, sa.JSON)]
    return json_text([{**row, **{name: json_text(row[name]) for name in documents}} for row in rows])
