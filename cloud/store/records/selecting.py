"""A selection of records as conditions of a query."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import sqlalchemy as sa

from cloud.database import schema
from cloud.store.records.port import RECORD_ORDER, Position, Selection

# What has no column of its own is looked up in the body; what is indexed beside it keeps that short.
_BY_TABLE: Mapping[sa.Table, Mapping[str, sa.ColumnElement[object]]] = {
    schema.inferences: {
        **{name: schema.inferences.c[name] for name in ("device", "network", "run", "strategy", "violation", "cut")},
        "bundle": schema.inferences.c.body["bundle"].as_string(),
    },
    schema.measurements: {
        **{name: schema.measurements.c[name] for name in ("device", "network", "bundle", "run")},
        "cut": schema.measurements.c.body["configuration"]["cut"].as_integer(),
    },
    schema.samples: {"device": schema.samples.c.device},
}
_AT = {
    schema.inferences: schema.inferences.c.at,
    schema.measurements: schema.measurements.c.body["at"].as_float(),
    schema.samples: schema.samples.c.at,
}


def conditions(table: sa.Table, selection: Selection) -> Iterator[sa.ColumnElement[bool]]:
    """Those of the selection's values that the table's records have."""
    for name, column in _BY_TABLE[table].items():
        if (wanted := getattr(selection, name)) is not None:
            yield column == wanted
    if selection.run and "run" in table.c:
        # The index of runs leaves out what is of none, and serves only who says that it may.
        yield table.c.run != ""
    for column, first, end in (
        (table.c.received_at, selection.received_since, selection.received_until),
        (_AT[table], selection.since, selection.until),
    ):
        if first is not None:
            yield column >= first
        if end is not None:
            yield column < end


def beyond(table: sa.Table, position: Position, *, latest_first: bool) -> sa.ColumnElement[bool]:
    """What comes after a record in the order in which they are read."""
    keys = [table.c[name] for name in RECORD_ORDER]
    here, there = sa.tuple_(*keys), sa.tuple_(*position)
    # Says the same of the first key once more: an index is searched for it, not for the four together.
    if latest_first:
        return (here < there) & (keys[0] <= position[0])
    return (here > there) & (keys[0] >= position[0])
