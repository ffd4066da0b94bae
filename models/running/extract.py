"""Taking one head or tail out of a bundle's flatbuffer, for runtimes that would otherwise prepare all of them.

Only tables go through the flatbuffer builder, with empty buffers. The weights are copied behind them as they lie in the bundle,
and each buffer's offset is set to where its data came to lie: an offset counts forward from its own place, so that
the data of a vector may stand anywhere after the table that it belongs to (https://flatbuffers.dev/internals/).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from models.network import tflite
from models.network.structure import verify
from protocol.errors import InvalidInput

_OFFSET_BYTES = 4
_DATA_SLOT = 4
"""Of `Buffer.data` in a vtable: the first field of the table."""


class _Span(NamedTuple):
    """Where a buffer's data lie in the bundle's flatbuffer."""

    start: int
    length: int


def extract(flatbuffer: bytes | mmap.mmap, signature: str, *, what: str = "the bundle's flatbuffer") -> bytes:
    """One signature as a flatbuffer of its own, with only the weights that it uses.

    Graphs that no signature owns (bodies of WHILE and the like) come along under their own numbers. Only what is
    wanted is read, and it is trusted as far as memory goes: a bundle's files were held against their digests. InvalidInput
    where there is no such signature or the flatbuffer makes no sense.
    """
    return b"".join(_pieces(flatbuffer, signature, what))


def extract_file(source: Path, signature: str, target: Path) -> None:
    """The same from file to file, without ever holding the weights in memory. OSError where a file refuses."""
    with source.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    verify(content, what=str(source))
    with target.open("wb") as file:
        file.writelines(_pieces(content, signature, str(source)))


def _pieces(content: bytes | mmap.mmap, signature: str, what: str) -> Iterator[bytes | bytearray | memoryview]:
    """The extracted flatbuffer in the order of its bytes."""
    try:
        tables, spans = _extract(schema.Model.GetRootAs(content, 0), signature, what)
        places = _laid_out(tables, spans)
    except (struct.error, ValueError, TypeError, IndexError, AttributeError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{what} is damaged: {error}") from error
    yield tables
    end = len(tables)
    for span, place in zip(spans, places, strict=True):
        if span.length:
            yield bytes(place - end) + struct.pack("<I", span.length)
            yield memoryview(content)[span.start : span.start + span.length]
            end = place + _OFFSET_BYTES + span.length


def _laid_out(tables: bytearray, spans: Sequence[_Span]) -> list[int]:
    """Where each buffer's vector will start behind the tables, which learn of it; the data lie at multiples of 16."""
    model = schema.Model.GetRootAs(tables, 0)
    end, places = len(tables), []
    for number, span in enumerate(spans):
        place = -(-(end + _OFFSET_BYTES) // tflite.BUFFER_ALIGNMENT) * tflite.BUFFER_ALIGNMENT - _OFFSET_BYTES
        places.append(place)
        if span.length:
            table = model.Buffers(number)._tab
            slot = table.Pos + table.Offset(_DATA_SLOT)
            struct.pack_into("<I", tables, slot, place - slot)
            end = place + _OFFSET_BYTES + span.length
    return places


def _extract(model: Any, signature: str, what: str) -> tuple[bytearray, list[_Span]]:
    """The tables of the wanted signature, their buffers still empty, and what belongs into those."""
    owners = [model.SignatureDefs(place) for place in range(model.SignatureDefsLength())]
    wanted = [owner for owner in owners if tflite.text(owner.SignatureKey()) == signature]
    if not wanted:
        raise InvalidInput(f"{what} has no signature '{signature}'")
    definition = schema.SignatureDefT.InitFromObj(wanted[0])
    owned = {owner.SubgraphIndex() for owner in owners}
    called = [number for number in range(model.SubgraphsLength()) if number not in owned]
    graphs = [schema.SubGraphT.InitFromObj(model.Subgraphs(number)) for number in (definition.subgraphIndex, *called)]
    definition.subgraphIndex = 0
    spans = _used_buffers(model, graphs)
    result = schema.ModelT(
        version=model.Version(),
        operatorCodes=[
            schema.OperatorCodeT.InitFromObj(model.OperatorCodes(place)) for place in range(model.OperatorCodesLength())
        ],
        subgraphs=graphs,
        description=model.Description(),
        buffers=[tflite.AlignedBuffer(np.empty(0, np.uint8) if span.length else None) for span in spans],
        signatureDefs=[definition],
    )
    return bytearray(tflite.pack(result)), spans


def _used_buffers(model: Any, graphs: list[Any]) -> list[_Span]:
    """The buffers of these graphs' tensors, which are numbered anew; 0 stays the empty one."""
    tensors = [tensor for graph in graphs for tensor in graph.tensors or []]
    used = sorted({0} | {tensor.buffer for tensor in tensors})
    place = {number: new for new, number in enumerate(used)}
    for tensor in tensors:
        tensor.buffer = place[tensor.buffer]
    return [_span(model.Buffers(number)._tab) for number in used]


def _span(table: Any) -> _Span:
    field = table.Offset(_DATA_SLOT)
    return _Span(table.Vector(field), table.VectorLen(field)) if field else _Span(0, 0)
