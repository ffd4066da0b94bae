"""Odd networks of one trait each: those that are cut exactly, and those that are refused by name."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from models.network.tflite import AlignedBuffer

STRING, RESOURCE = schema.TensorType.STRING, schema.TensorType.RESOURCE
INT64, INT16, UINT8 = schema.TensorType.INT64, schema.TensorType.INT16, schema.TensorType.UINT8

Sketch = Any
Draw = Callable[[Sketch], list[int]]


def _strings(sketch: Sketch, name: str, *words: bytes) -> int:
    """A constant of strings: their count, where each begins and the last ends, then the characters."""
    start = 4 * (len(words) + 2)
    offsets = [start + sum(map(len, words[:place])) for place in range(len(words) + 1)]
    data = struct.pack(f"<{len(words) + 2}i", len(words), *offsets) + b"".join(words)
    index = sketch.tensor(name, [len(words)], STRING)
    sketch.graph.tensors[index].buffer = len(sketch.buffers)
    sketch.buffers.append(AlignedBuffer(np.frombuffer(data, np.uint8)))
    return index


def open_batch(sketch: Sketch) -> list[int]:
    """The batch is open, and the file says 1 beside it, as TensorFlow's converter writes."""
    x = sketch.input("x", [1, 4], shapeSignature=[-1, 4])
    return [sketch.scale(sketch.relu(x, "a/Relu"), [1, -2, 3, 4], "b/mul")]


def open_batch_without_signature(sketch: Sketch) -> list[int]:
    """The batch is -1 in the shape itself, which the runtime refuses as it is."""
    x = sketch.input("x", [-1, 4])
    return [sketch.scale(sketch.relu(x, "a/Relu"), [1, -2, 3, 4], "b/mul")]


def shape_of_a_tensor(sketch: Sketch) -> list[int]:
    """A RESHAPE to what SHAPE says of a tensor on the other side of the cut; the file is wrong about its result."""
    x = sketch.input("x", [1, 2, 3], shapeSignature=[-1, 2, 3])
    wide = sketch.relu(x, "wide/Relu")
    shape = sketch.tensor("shape", [3], "int32")
    sketch.add("SHAPE", [x], [shape], schema.ShapeOptionsT(outType=schema.TensorType.INT32))
    flat = sketch.tensor("flat/reshape", [1, 1], shapeSignature=[-1, -1])
    sketch.add("RESHAPE", [wide, sketch.constant("sides", [1, 6], "int32")], [flat], schema.ReshapeOptionsT())
    back = sketch.tensor("back/reshape", [1, 2, 3], shapeSignature=[-1, 2, 3])
    sketch.add("RESHAPE", [sketch.relu(flat, "flat/Relu"), shape], [back], schema.ReshapeOptionsT())
    return [sketch.relu(back, "end/Relu")]


def branch(sketch: Sketch) -> list[int]:
    """An IF whose branches are graphs of their own, of unequal work."""
    x = sketch.input("x", [1, 4])
    first = sketch.relu(x, "first/Relu")
    total = sketch.tensor("total/Sum", [])
    sketch.add("SUM", [first, sketch.constant("axes", [0, 1], "int32")], [total], schema.ReducerOptionsT())
    large = sketch.step("GREATER", [total, sketch.constant("limit", 2.0)], "large", schema.GreaterOptionsT(), "bool")
    chosen = sketch.tensor("chosen/if", [1, 4])
    sketch.add("IF", [large, first], [chosen], schema.IfOptionsT(thenSubgraphIndex=1, elseSubgraphIndex=2))
    end = sketch.relu(chosen, "end/Relu")
    sketch.another_graph("then")
    sketch.graph.outputs = [sketch.scale(sketch.input("value", [1, 4]), [2, 3, 4, 5], "double")]
    sketch.another_graph("else")
    value, weights = sketch.input("value", [1, 4]), sketch.constant("weights", np.eye(4) * 0.5)
    half = sketch.tensor("half", [1, 4])
    sketch.add("FULLY_CONNECTED", [value, weights, -1], [half], schema.FullyConnectedOptionsT())
    sketch.graph.outputs = [half]
    return [end]


def growing_loop(sketch: Sketch) -> list[int]:
    """The WHILE's result, which the runtime allocates while it runs, is a boundary and an output of the network."""
    x = sketch.input("x", [2, 2])
    start = sketch.relu(x, "start/Relu")
    looped = sketch.tensor("looped/while", [2, 2])
    sketch.add("WHILE", [start], [looped], schema.WhileOptionsT(condSubgraphIndex=1, bodySubgraphIndex=2))
    end = sketch.relu(looped, "end/Relu")
    sketch.another_graph("cond")
    total = sketch.tensor("total", [])
    value, axes = sketch.input("value", [2, 2]), sketch.constant("axes", [0, 1], "int32")
    sketch.add("SUM", [value, axes], [total], schema.ReducerOptionsT())
    less = sketch.step("LESS", [total, sketch.constant("limit", 90.0)], "less", schema.LessOptionsT(), "bool")
    sketch.graph.outputs = [less]
    sketch.another_graph("body")
    value = sketch.input("value", [2, 2])
    more = sketch.sum(value, sketch.constant("step", [[1.0, 2], [3, 4]]), "more")
    # A shape that is computed, though always the same: the runtime learns it only when it is there.
    sides = sketch.tensor("sides", [2], "int32")
    sketch.add("SHAPE", [more], [sides], schema.ShapeOptionsT(outType=schema.TensorType.INT32))
    kept = sketch.step("ADD", [sides, sketch.constant("none", [0, 0], "int32")], "kept", schema.AddOptionsT(), "int32")
    again = sketch.tensor("again", [2, 2])
    sketch.add("RESHAPE", [more, kept], [again], schema.ReshapeOptionsT())
    sketch.graph.outputs = [again]
    return [looped, end]


def hash_tables(sketch: Sketch) -> list[int]:
    """CALL_ONCE fills two tables, whose strings cross no cut that is offered."""
    x = sketch.input("x", [3], "int64")
    sketch.add("CALL_ONCE", [], [], schema.CallOnceOptionsT(initSubgraphIndex=1))
    words, numbers = _table(sketch, INT64, STRING, 0), _table(sketch, STRING, INT64, 1)
    word, number = sketch.tensor("word", [3], STRING), sketch.tensor("number", [3], "int64")
    sketch.add("HASHTABLE_FIND", [words, x, _strings(sketch, "no_word", b"none")], [word])
    sketch.add("HASHTABLE_FIND", [numbers, word, sketch.constant("no_number", -1, "int64")], [number])
    one = sketch.constant("one", [1, 1, 1], "int64")
    end = sketch.step("ADD", [number, one], "end", schema.AddOptionsT(), "int64")
    sketch.another_graph("init")
    words, numbers = _table(sketch, INT64, STRING, 0), _table(sketch, STRING, INT64, 1)
    spelled = _strings(sketch, "spelled", b"nought", b"one", b"")
    sketch.add("HASHTABLE_IMPORT", [words, sketch.constant("keys", [0, 1, 2], "int64"), spelled], [])
    sketch.add("HASHTABLE_IMPORT", [numbers, spelled, sketch.constant("values", [10, 20, 30], "int64")], [])
    return [end]


def _table(sketch: Sketch, key: int, value: int, number: int) -> int:
    handle = sketch.tensor(f"table_{number}", [1], RESOURCE)
    sketch.add("HASHTABLE", [], [handle], schema.HashtableOptionsT(tableId=number, keyDtype=key, valueDtype=value))
    return handle


def positions(sketch: Sketch) -> list[int]:
    """WHERE gives as many entries as the data say; their number, and what follows from it, has a shape again."""
    x = sketch.input("x", [1, 8])
    stem = sketch.relu(x, "stem/Relu")
    half = sketch.constant("half", [[0.5]])
    large = sketch.step("GREATER", [stem, half], "large/Greater", schema.GreaterOptionsT(), "bool")
    found = sketch.tensor("found/Where", [1, 2], INT64, shapeSignature=[-1, 2])
    sketch.add("WHERE", [large], [found])
    values = sketch.tensor("values/GatherNd", [1], shapeSignature=[-1])
    sketch.add("GATHER_ND", [stem, found], [values], schema.GatherNdOptionsT())
    total = sketch.tensor("total/Sum", [])
    sketch.add("SUM", [values, sketch.constant("axis", [0], "int32")], [total], schema.ReducerOptionsT())
    return [sketch.step("MUL", [stem, total], "end/mul", schema.MulOptionsT())]


def _quantised(kind: int, scale: float, zero: int) -> dict[str, Any]:
    quantisation = schema.QuantizationParametersT(scale=[scale], zeroPoint=[zero])
    return {"kind": kind, "quantization": quantisation}


def _requantised(sketch: Sketch, kind: int, zero: int) -> list[int]:
    x = sketch.input("x", [1, 4])
    narrow = sketch.tensor("narrow/quantize", [1, 4], **_quantised(kind, 0.01, zero))
    sketch.add("QUANTIZE", [x], [narrow], schema.QuantizeOptionsT())
    doubled = sketch.tensor("doubled/add", [1, 4], **_quantised(kind, 0.02, zero))
    sketch.add("ADD", [narrow, narrow], [doubled], schema.AddOptionsT(potScaleInt16=False))
    return [sketch.step("DEQUANTIZE", [doubled], "wide/dequantize", schema.DequantizeOptionsT())]


def sixteen_bits(sketch: Sketch) -> list[int]:
    return _requantised(sketch, INT16, 0)


def unsigned_bytes(sketch: Sketch) -> list[int]:
    return _requantised(sketch, UINT8, 128)


EXACT: tuple[Draw, ...] = (
    open_batch,
    open_batch_without_signature,
    shape_of_a_tensor,
    branch,
    growing_loop,
    hash_tables,
    positions,
    sixteen_bits,
    unsigned_bytes,
)


@pytest.fixture
def drawn(sketch: Sketch, tmp_path: Path) -> Callable[[Draw], Path]:
    """Saves a drawing."""
    return lambda draw: sketch.save(tmp_path / f"{draw.__name__}.tflite", *draw(sketch))


@pytest.fixture(params=EXACT, ids=lambda draw: draw.__name__)
def exact_network(request: pytest.FixtureRequest, drawn: Callable[[Draw], Path]) -> Path:
    return drawn(request.param)


@pytest.fixture
def positions_network(drawn: Callable[[Draw], Path]) -> Path:
    return drawn(positions)


@pytest.fixture
def branch_network(drawn: Callable[[Draw], Path]) -> Path:
    return drawn(branch)
