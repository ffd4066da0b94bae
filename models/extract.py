"""Taking one head or tail out of a bundle's flatbuffer, for runtimes that would otherwise prepare all of them."""

from __future__ import annotations

import struct
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from models import tflite
from protocol.errors import InvalidInput


def extract(flatbuffer: bytes, signature: str, *, what: str = "the bundle's flatbuffer") -> bytes:
    """One signature as a flatbuffer of its own, with only the weights that it uses.

    Graphs that no signature owns (bodies of WHILE and the like) come along under their own numbers. Only what is
    wanted is read, and it is trusted as far as memory goes: a bundle's files were held against their digests. InvalidInput
    where there is no such signature or the flatbuffer makes no sense.
    """
    try:
        return _extract(schema.Model.GetRootAs(flatbuffer, 0), signature, what)
    except (struct.error, ValueError, TypeError, IndexError, AttributeError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{what} is damaged: {error}") from error


def _extract(model: Any, signature: str, what: str) -> bytes:
    owners = [model.SignatureDefs(place) for place in range(model.SignatureDefsLength())]
    wanted = [owner for owner in owners if tflite.text(owner.SignatureKey()) == signature]
    if not wanted:
        raise InvalidInput(f"{what} has no signature '{signature}'")
    definition = schema.SignatureDefT.InitFromObj(wanted[0])
    owned = {owner.SubgraphIndex() for owner in owners}
    called = [number for number in range(model.SubgraphsLength()) if number not in owned]
    graphs = [schema.SubGraphT.InitFromObj(model.Subgraphs(number)) for number in (definition.subgraphIndex, *called)]
    definition.subgraphIndex = 0
    result = schema.ModelT(
        version=model.Version(),
        operatorCodes=[
            schema.OperatorCodeT.InitFromObj(model.OperatorCodes(place)) for place in range(model.OperatorCodesLength())
        ],
        subgraphs=graphs,
        description=model.Description(),
        buffers=_used_buffers(model, graphs),
        signatureDefs=[definition],
    )
    return tflite.pack(result)


def _used_buffers(model: Any, graphs: list[Any]) -> list[tflite.AlignedBuffer]:
    """The buffers of these graphs' tensors, which are numbered anew; 0 stays the empty one."""
    tensors = [tensor for graph in graphs for tensor in graph.tensors or []]
    used = sorted({0} | {tensor.buffer for tensor in tensors})
    place = {number: new for new, number in enumerate(used)}
    for tensor in tensors:
        tensor.buffer = place[tensor.buffer]
    kept = [schema.BufferT.InitFromObj(model.Buffers(number)) for number in used]
    return [tflite.AlignedBuffer(tflite.data_of(buffer)) for buffer in kept]
