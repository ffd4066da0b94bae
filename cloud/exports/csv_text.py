"""Records as CSV (RFC 4180), in pieces."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from cloud.exports.columns import Column, Value
from cloud.store.records.port import Kept

_PIECE_ROWS = 500


def csv_pieces(columns: Sequence[Column], records: Iterable[Kept]) -> Iterator[bytes]:
    """UTF-8 with a line of names first; what is not known is empty, a flag `true` or `false`."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([column.name for column in columns])
    for number, record in enumerate(records, start=1):
        writer.writerow([_written(column.of(record)) for column in columns])
        if number % _PIECE_ROWS == 0:
            yield _taken(text)
    yield _taken(text)


def _written(value: Value) -> Value:
    return str(value).lower() if isinstance(value, bool) else value


def _taken(text: io.StringIO) -> bytes:
    piece = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return piece
