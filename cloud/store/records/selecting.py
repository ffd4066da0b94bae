"""A selection of records as conditions of a query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from cloud.store.records.port import Selection


def conditions(table: sa.Table, selection: Selection, filters: Sequence[str]) -> Iterator[sa.ColumnElement[bool]]:
    """Those of the selection's values that count here, and since when."""
    for name in filters:
        if (wanted := getattr(selection, name)) is not None:
            yield table.c[name] == wanted
    if selection.run and "run" in filters:
        # The index of runs leaves out what is of none, and serves only who says that it may.
        yield table.c.run != ""
    if selection.received_since is not None:
        yield table.c.received_at >= selection.received_since
