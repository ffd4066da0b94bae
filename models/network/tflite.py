"""TFLite flatbuffers as objects: read with every reference checked, written with shared tables and aligned buffers."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from models.network.structure import verify
from protocol.errors import InvalidInput
from protocol.files import NETWORK_BYTES, read_regular

BUFFER_ALIGNMENT = 16
"""`force_align` of Buffer.data in schema.fbs; the generated Python code forgets it."""

_ROOM_FOR_TABLES = 1 << 16
"""With the weights' room taken at once, the builder does not double half a gigabyte again and again."""


def read(path: Path) -> Any:
    """The file as the schema's `ModelT`; InvalidInput, naming the file, where it is missing, damaged or unusable."""
    try:
        content = read_regular(path, limit_bytes=NETWORK_BYTES)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
    return parse(content, what=str(path))


def parse(content: bytes, *, what: str) -> Any:
    """A flatbuffer as the schema's `ModelT`. Its buffers are views into `content`, not copies."""
    verify(content, what=what)
    try:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        _take_in(model.buffers or [], content, what)
    except (struct.error, ValueError, TypeError, IndexError, OverflowError, AttributeError) as error:
        raise InvalidInput(f"{what} is damaged: {error}; download or convert it again") from error
    _check_references(model, what)
    return model


def pack(model: Any) -> bytes:
    """The flatbuffer of a `ModelT`; the same objects give the same bytes."""
    weights = sum(len(buffer.data) + BUFFER_ALIGNMENT for buffer in model.buffers if buffer.data is not None)
    builder = flatbuffers.Builder(_ROOM_FOR_TABLES + weights)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(memoryview(builder.Bytes)[builder.Head() :])


class Once:
    """An object that is written once, however many tables refer to it: this is how subgraphs share their tensors."""

    def __init__(self, content: Any) -> None:
        self._content = content
        self._offset: int | None = None

    def Pack(self, builder: Any) -> int:  # noqa: N802 - the name that the generated code calls
        if self._offset is None:
            self._offset = int(self._content.Pack(builder))
        return self._offset


class AlignedBuffer:
    """A buffer whose data starts at a multiple of 16 bytes, as the runtime's kernels expect."""

    def __init__(self, data: npt.NDArray[np.uint8] | None) -> None:
        self.data = data

    def Pack(self, builder: Any) -> int:  # noqa: N802 - the name that the generated code calls
        data = None if self.data is None else _aligned_vector(builder, self.data)
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        return int(schema.BufferEnd(builder))


def _aligned_vector(builder: Any, data: npt.NDArray[np.uint8]) -> int:
    builder.StartVector(1, len(data), BUFFER_ALIGNMENT)
    head = builder.head = builder.Head() - len(data)
    builder.Bytes[head : head + len(data)] = np.ascontiguousarray(data).data
    return int(builder.EndVector())


@cache
def operator_names() -> Mapping[int, str]:
    """Names such as CONV_2D by the schema's number."""
    return {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}


@cache
def type_names() -> Mapping[int, str]:
    """Names such as FLOAT32 by the schema's number."""
    return {code: name for name, code in vars(schema.TensorType).items() if isinstance(code, int)}


def operator_name(model: Any, operator: Any) -> str:
    """CONV_2D, or the name of a custom operator, or `operator 999` for one that this schema does not know."""
    code = model.operatorCodes[operator.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    if number == schema.BuiltinOperator.CUSTOM:
        return text(code.customCode) or "CUSTOM"
    return operator_names().get(number, f"operator {number}")


def is_custom(model: Any, operator: Any) -> bool:
    """Whether the operator is none of the schema's own."""
    code = model.operatorCodes[operator.opcodeIndex]
    return bool(max(code.builtinCode, code.deprecatedBuiltinCode) == schema.BuiltinOperator.CUSTOM)


def text(value: bytes | str | None) -> str:
    """A flatbuffer's string in one line; bytes that are not UTF-8 and what cannot be printed are replaced."""
    words = value.decode(errors="replace") if isinstance(value, bytes) else value or ""
    return words if words.isprintable() else "".join(sign if sign.isprintable() else "\ufffd" for sign in words)


def numbers(vector: Any) -> list[int]:
    """A vector of integers; a missing one is empty."""
    return [] if vector is None or isinstance(vector, int) else [int(number) for number in vector]


def data_of(buffer: Any) -> npt.NDArray[np.uint8] | None:
    """A buffer's bytes, as a view; None where it holds none (tensors that are computed have no data)."""
    return buffer.data if isinstance(buffer.data, np.ndarray) else None


def _take_in(buffers: Iterable[Any], content: bytes, what: str) -> None:
    """Data that lie in the file behind the flatbuffer (`Buffer.offset` in schema.fbs), as ai-edge-quantizer writes them."""
    for buffer in buffers:
        if buffer.offset > 1:
            if buffer.offset + buffer.size > len(content):
                raise InvalidInput(f"{what} is truncated: it keeps weights at byte {buffer.offset} of {len(content)}")
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0


def _check_references(model: Any, what: str) -> None:
    """Every index points at something; the runtime would crash where one does not."""

    def check(indices: Iterable[int], limit: int, kind: str, lowest: int = 0) -> None:
        for index in indices:
            if not lowest <= index < limit:
                raise InvalidInput(f"{what} is damaged: it refers to {kind} {index} of {limit}")

    buffers, codes, subgraphs = model.buffers or [], model.operatorCodes or [], model.subgraphs or []
    if not subgraphs:
        raise InvalidInput(f"{what} holds no graph")
    if model.externalBuffers:
        raise InvalidInput(f"{what} keeps its weights in other files, which cannot be cut")
    check((entry.buffer for entry in model.metadata or []), len(buffers), "buffer")
    for subgraph in subgraphs:
        tensors, operators = subgraph.tensors or [], subgraph.operators or []
        check((tensor.buffer for tensor in tensors), len(buffers), "buffer")
        check((operator.opcodeIndex for operator in operators), len(codes), "operator code")
        check(numbers(subgraph.inputs) + numbers(subgraph.outputs), len(tensors), "tensor")
        for operator in operators:
            check(numbers(operator.outputs), len(tensors), "tensor")
            check(numbers(operator.inputs) + numbers(operator.intermediates), len(tensors), "tensor", lowest=-1)
            check(called_subgraphs(operator), len(subgraphs), "graph")
            if operator.largeCustomOptionsSize:
                raise InvalidInput(f"{what} keeps an operator's options outside the flatbuffer, which cannot be cut")
    for signature in model.signatureDefs or []:
        check([signature.subgraphIndex], len(subgraphs), "graph")
        limit = len(subgraphs[signature.subgraphIndex].tensors or [])
        check((entry.tensorIndex for entry in (signature.inputs or []) + (signature.outputs or [])), limit, "tensor")
    _check_calls(subgraphs, what)


def _check_calls(subgraphs: Sequence[Any], what: str) -> None:
    """No graph calls itself, not even through others; the main one is called by none."""
    calls = {
        number: {called for operator in subgraph.operators or [] for called in called_subgraphs(operator)}
        for number, subgraph in enumerate(subgraphs)
    }
    try:
        order = tuple(TopologicalSorter(calls).static_order())
    except CycleError as error:
        raise InvalidInput(f"{what} is damaged: its graphs call each other in a circle") from error
    if order and 0 in set().union(*calls.values()):
        raise InvalidInput(f"{what} is damaged: its main graph is called by another")


def called_subgraphs(operator: Any) -> list[int]:
    """The graphs that WHILE, IF, CALL_ONCE and their kin call, in the order of the schema's fields."""
    options = [vars(part) for part in (operator.builtinOptions, operator.builtinOptions2) if part is not None]
    called = []
    for name, value in (entry for part in options for entry in part.items()):
        if name.lower().endswith(("subgraphindex", "subgraph")):
            called.append(value)
        elif name.lower().endswith("subgraphindices"):
            called += numbers(value)
    return called
