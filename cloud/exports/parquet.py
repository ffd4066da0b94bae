"""Records as Parquet, in pieces. Needs pyarrow, which the extra `export` brings."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cloud.exports.columns import Column, Kind
from cloud.store.records.port import Kept
from protocol.errors import InvalidInput

_GROUP_ROWS = 5_000
"""Of a row group, which is what is in memory at a time: some megabytes."""


def parquet_pieces(columns: Sequence[Column], records: Iterable[Kept]) -> Iterator[bytes]:
    """One file with row groups of some thousand rows, compressed with zstd. InvalidInput at once where pyarrow is missing."""
    try:
        import pyarrow as arrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise InvalidInput("format parquet is not set up here: pip install '.[export]', or ask for csv") from error
    types = {
        Kind.TEXT: arrow.string(),
        Kind.NUMBER: arrow.float64(),
        Kind.WHOLE: arrow.int64(),
        Kind.FLAG: arrow.bool_(),
    }
    schema = arrow.schema([(column.name, types[column.kind]) for column in columns])
    return _written(arrow, schema, columns, iter(records))


def _written(arrow: Any, schema: Any, columns: Sequence[Column], records: Iterator[Kept]) -> Iterator[bytes]:
    sink = _Taken()
    with arrow.parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        while group := list(itertools.islice(records, _GROUP_ROWS)):
            arrays = [
                arrow.array([column.of(record) for record in group], type=kind.type)
                for column, kind in zip(columns, schema, strict=True)
            ]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
            group.clear()  # or two of them would be in memory while the next one is read
            yield sink.take()
    yield sink.take()


class _Taken(io.RawIOBase):
    """A file whose bytes are taken away as they are written."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._length = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._length

    def write(self, piece: Any) -> int:
        content = bytes(piece)
        self._pieces.append(content)
        self._length += len(content)
        return len(content)

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken
