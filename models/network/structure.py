"""Is a byte string a well-formed TFLite flatbuffer? Bounds are checked before anything trusts an offset.

The generated schema code trusts what it reads: a damaged length makes it loop over billions of entries. This does what
`flatbuffers::Verifier` does in C++ (https://flatbuffers.dev/languages/cpp/#access-of-untrusted-buffers), for the tables that
hold vectors of tables. Options of single operators are only checked to be tables; numpy bounds their vectors.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from protocol.errors import InvalidInput
from protocol.files import NETWORK_BYTES, open_regular

_IDENTIFIER = b"TFL3"
_MOST_TABLES = 4_000_000
_OFFSET_BYTES = 4

Content = bytes | mmap.mmap


class _Field(NamedTuple):
    """`kind` is scalar, vector (of `size` bytes each), table or tables (of `table`); the rest of a table is left alone."""

    kind: str
    size: int = 1
    table: str = ""


def _tables(name: str) -> _Field:
    return _Field("tables", _OFFSET_BYTES, name)


def _table(name: str) -> _Field:
    return _Field("table", _OFFSET_BYTES, name)


_BYTE, _WORD, _LONG = _Field("scalar", 1), _Field("scalar", 4), _Field("scalar", 8)
_BYTES, _WORDS, _LONGS = _Field("vector", 1), _Field("vector", 4), _Field("vector", 8)

_LAYOUT: Mapping[str, Mapping[int, _Field]] = {
    "Model": {
        0: _WORD,
        1: _tables("OperatorCode"),
        2: _tables("SubGraph"),
        3: _BYTES,
        4: _tables("Buffer"),
        5: _WORDS,
        6: _tables("Metadata"),
        7: _tables("SignatureDef"),
        8: _tables("opaque"),
        9: _tables("opaque"),
    },
    "OperatorCode": {0: _BYTE, 1: _BYTES, 2: _WORD, 3: _WORD},
    "SubGraph": {0: _tables("Tensor"), 1: _WORDS, 2: _WORDS, 3: _tables("Operator"), 4: _BYTES, 5: _WORD},
    "Tensor": {
        0: _WORDS,
        1: _BYTE,
        2: _WORD,
        3: _BYTES,
        4: _table("QuantizationParameters"),
        5: _BYTE,
        6: _table("SparsityParameters"),
        7: _WORDS,
        8: _BYTE,
        9: _tables("VariantSubType"),
        10: _WORD,
    },
    "QuantizationParameters": {0: _WORDS, 1: _WORDS, 2: _WORDS, 3: _LONGS, 4: _BYTE, 5: _table("opaque"), 6: _WORD},
    "SparsityParameters": {0: _WORDS, 1: _WORDS, 2: _tables("DimensionMetadata")},
    "DimensionMetadata": {0: _BYTE, 1: _WORD, 2: _BYTE, 3: _table("opaque"), 4: _BYTE, 5: _table("opaque")},
    "VariantSubType": {0: _WORDS, 1: _BYTE, 2: _BYTE},
    "Operator": {
        0: _WORD,
        1: _WORDS,
        2: _WORDS,
        3: _BYTE,
        4: _table("opaque"),
        5: _BYTES,
        6: _BYTE,
        7: _BYTES,
        8: _WORDS,
        9: _LONG,
        10: _LONG,
        11: _BYTE,
        12: _table("opaque"),
        13: _WORD,
    },
    "Buffer": {0: _BYTES, 1: _LONG, 2: _LONG},
    "SignatureDef": {0: _tables("TensorMap"), 1: _tables("TensorMap"), 2: _BYTES, 4: _WORD},
    "TensorMap": {0: _BYTES, 1: _WORD},
    "Metadata": {0: _BYTES, 1: _WORD},
    "opaque": {},
}
"""Slot numbers of the tables in tensorflow/lite/schema/schema.fbs (version 3)."""


def verify(content: Content, *, what: str) -> None:
    """InvalidInput, naming `what`, unless every table and vector that the schema code walks lies inside `content`."""
    if len(content) < 8 or content[4:8] != _IDENTIFIER:
        raise InvalidInput(f"{what} is not a TFLite network: it does not carry the mark 'TFL3'")
    _Verifier(content, what).table("Model", struct.unpack_from("<I", content)[0])


def verify_file(path: Path) -> None:
    """The same for a file, without reading its weights."""
    with open_regular(path, limit_bytes=NETWORK_BYTES) as file:
        if not os.fstat(file.fileno()).st_size:
            raise InvalidInput(f"{path} is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            verify(content, what=str(path))


@dataclass
class _Verifier:
    """Tables that several others share are looked at once, but counted each time, since readers unpack them each time."""

    content: Content
    what: str
    counts: dict[tuple[str, int], int] = field(default_factory=dict)
    vtables: dict[int, tuple[int, tuple[int, ...]]] = field(default_factory=dict)

    def table(self, name: str, position: int) -> int:
        """How many tables there are from this one down."""
        key = (name, position)
        if key not in self.counts:
            size, slots = self._vtable(position)
            present = [(part, slots[slot]) for slot, part in _LAYOUT[name].items() if slot < len(slots) and slots[slot]]
            if any(part.kind == "scalar" and offset + part.size > size for part, offset in present):
                raise self._damaged(position)
            self.counts[key] = 1 + sum(self._field(part, position + offset) for part, offset in present)
            if self.counts[key] > _MOST_TABLES:
                raise self._damaged(position)
        return self.counts[key]

    def _field(self, part: _Field, position: int) -> int:
        if part.kind == "scalar":
            return 0
        target = self._follow(position)
        if part.kind == "table":
            return self.table(part.table, target)
        count = self._word(target)
        self._need(target + _OFFSET_BYTES, count * part.size)
        if part.kind == "vector":
            return 0
        entries = range(target + _OFFSET_BYTES, target + _OFFSET_BYTES * (count + 1), _OFFSET_BYTES)
        return sum(self.table(part.table, self._follow(entry)) for entry in entries)

    def _vtable(self, position: int) -> tuple[int, tuple[int, ...]]:
        """The table's size and its slots' offsets, none of which points out of the table."""
        self._need(position, 4)
        start = position - int(struct.unpack_from("<i", self.content, position)[0])
        if start not in self.vtables:
            self.vtables[start] = self._read_vtable(start, position)
        self._need(position, self.vtables[start][0])
        return self.vtables[start]

    def _read_vtable(self, start: int, position: int) -> tuple[int, tuple[int, ...]]:
        self._need(start, 4)
        vtable_bytes, size = struct.unpack_from("<HH", self.content, start)
        if vtable_bytes < 4 or vtable_bytes % 2 or size < 4:
            raise self._damaged(position)
        self._need(start, vtable_bytes)
        slots = struct.unpack_from(f"<{(vtable_bytes - 4) // 2}H", self.content, start + 4)
        if any(offset >= size for offset in slots):
            raise self._damaged(position)
        return size, slots

    def _follow(self, position: int) -> int:
        distance = self._word(position)
        if not distance:
            raise self._damaged(position)
        return position + distance

    def _word(self, position: int) -> int:
        self._need(position, 4)
        return int(struct.unpack_from("<I", self.content, position)[0])

    def _need(self, position: int, count: int) -> None:
        if position < 0 or position + count > len(self.content):
            raise self._damaged(position)

    def _damaged(self, position: int) -> InvalidInput:
        return InvalidInput(
            f"{self.what} is damaged or truncated: what should lie at byte {position} is not in its "
            f"{len(self.content)} bytes; download or convert it again"
        )
