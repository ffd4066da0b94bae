"""One flatbuffer of the heads of one network and the tails of another, each with its own weights.

Numbers of buffers, operator codes and called graphs in the tails' network are moved behind those of the heads' network. Where
the head gives a quantised tensor and the tail takes a float, a DEQUANTIZE stands between.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from models.cutting.cut import head_part, tail_part, whole_part
from models.cutting.matching import Match, needs_dequantizing
from models.cutting.subgraph_writer import Part, SubgraphWriter
from models.network import tflite
from models.network.graph import Graph
from models.signatures import tail_signature

_DEQUANTIZE_VERSION = 3
"""Knows INT8 (2) and INT16 (3): tensorflow/lite/tools/versioning/op_version.cc."""


def merged(head: Graph, tail: Graph, matches: Sequence[Match]) -> bytes:
    """The flatbuffer with `whole` and the heads of the one network and, from `tail_0` on, the tails of the other."""
    before = SubgraphWriter(head)
    heads = [whole_part(head), *(head_part(head, match.head) for match in matches)]
    graphs = [_with_float_outputs(head, tail, part, before) for part in heads]
    called = len(head.model.subgraphs) - 1
    moved = _moved(tail, before, called)
    after = SubgraphWriter(moved)
    at_input = Match(0, 0, dict(zip(head.inputs.values(), tail.inputs.values(), strict=True)))
    places = [at_input, *matches]
    tails = [_tail(moved, match) for match in places]
    graphs += [_fed(head, moved, match, part, after) for match, part in zip(places, tails, strict=True)]
    first, *rest = graphs
    owned = 1 + called + len(moved.model.subgraphs) - 1
    numbers = [0, *range(owned, owned + len(rest))]
    result = schema.ModelT(
        version=head.model.version,
        operatorCodes=after.operator_codes,
        subgraphs=[first, *head.model.subgraphs[1:], *moved.model.subgraphs[1:], *rest],
        description=head.model.description,
        buffers=after.buffers,
        metadata=head.model.metadata,
        signatureDefs=[
            _signature(part, graph, number)
            for part, graph, number in zip([*heads, *tails], graphs, numbers, strict=True)
        ],
    )
    return tflite.pack(result)


def _tail(graph: Graph, match: Match) -> Part:
    """The operators after the place, under the head's number of it and with its order of the boundary."""
    inputs = {f"b{place}": index for place, index in enumerate(match.tensors.values())}
    return replace(tail_part(graph, match.tail), signature=tail_signature(match.head), inputs=inputs)


def _with_float_outputs(head: Graph, tail: Graph, part: Part, writer: SubgraphWriter) -> Any:
    """A head whose finished outputs are of the type that the tails give."""
    subgraph = writer.subgraph(part)
    wanted = tuple(tail.outputs.values())
    for place, (name, index) in enumerate(part.outputs.items()):
        if not name.startswith("o") or not needs_dequantizing(head.tensors[index], tail.tensors[wanted[int(name[1:])]]):
            continue
        widened = schema.TensorT(
            shape=list(head.tensors[index].shape), type=schema.TensorType.FLOAT32, buffer=0, name=f"{name}/float"
        )
        subgraph.tensors.append(widened)
        made = len(subgraph.tensors) - 1
        subgraph.operators.append(_dequantize(writer, subgraph.outputs[place], made))
        subgraph.outputs[place] = made
    return subgraph


def _fed(head: Graph, tail: Graph, match: Match, part: Part, writer: SubgraphWriter) -> Any:
    """A tail that takes what the head gives."""
    subgraph = writer.subgraph(part)
    for place, (given, taken) in enumerate(match.tensors.items()):
        if not needs_dequantizing(head.tensors[given], tail.tensors[taken]):
            continue
        narrow = copy.copy(head.model.subgraphs[0].tensors[given])
        narrow.shape, narrow.shapeSignature = list(head.tensors[given].shape), None
        narrow.buffer, narrow.name, narrow.isVariable = 0, f"b{place}/quantized", False
        subgraph.tensors.append(narrow)
        source, wide = len(subgraph.tensors) - 1, subgraph.inputs[place]
        if taken in _multiplied_with(tail):
            wide = _apart(tail, taken, wide, subgraph, writer)
        subgraph.operators.insert(0, _dequantize(writer, source, wide))
        subgraph.inputs[place] = source
    return subgraph


def _multiplied_with(graph: Graph) -> set[int]:
    """The tensors that are the right-hand side of a product of matrices."""
    return {operator.slots[1] for operator in graph.operators if operator.name == "BATCH_MATMUL"}


def _apart(tail: Graph, taken: int, place: int, subgraph: Any, writer: SubgraphWriter) -> int:
    """Puts a RESHAPE to the same shape before the tensor at this place, and gives the place of what it reads.

    XNNPACK's product with what DEQUANTIZE gives is off by 2e-7 from that with the same floats handed in; behind a RESHAPE it
    is not (LiteRT 2.3.0, x86-64).
    """
    sides = np.asarray(tail.tensors[taken].shape, np.int32)
    writer.buffers.append(tflite.AlignedBuffer(np.frombuffer(sides.tobytes(), np.uint8)))
    shape = schema.TensorT(
        shape=[len(sides)], type=schema.TensorType.INT32, buffer=len(writer.buffers) - 1, name=f"t{taken}/shape"
    )
    wide = schema.TensorT(shape=sides.tolist(), type=schema.TensorType.FLOAT32, buffer=0, name=f"t{taken}/wide")
    subgraph.tensors += [shape, wide]
    added = len(subgraph.tensors) - 1
    code = _code(writer, schema.BuiltinOperator.RESHAPE, version=1)
    subgraph.operators.insert(0, schema.OperatorT(opcodeIndex=code, inputs=[added, added - 1], outputs=[place]))
    return added


def _signature(part: Part, subgraph: Any, number: int) -> Any:
    ends = zip((part.inputs, part.outputs), (subgraph.inputs, subgraph.outputs), strict=True)
    inputs, outputs = ([schema.TensorMapT(*pair) for pair in zip(names, places, strict=True)] for names, places in ends)
    return schema.SignatureDefT(inputs=inputs, outputs=outputs, signatureKey=part.signature, subgraphIndex=number)


def _dequantize(writer: SubgraphWriter, source: int, target: int) -> Any:
    code = _code(writer, schema.BuiltinOperator.DEQUANTIZE, version=_DEQUANTIZE_VERSION)
    return schema.OperatorT(opcodeIndex=code, inputs=[source], outputs=[target])


def _code(writer: SubgraphWriter, code: int, *, version: int) -> int:
    for place, known in enumerate(writer.operator_codes):
        if max(known.builtinCode, known.deprecatedBuiltinCode) == code and known.version == version:
            return place
    added = schema.OperatorCodeT(deprecatedBuiltinCode=code, builtinCode=code, version=version)
    writer.operator_codes.append(added)
    return len(writer.operator_codes) - 1


def _moved(graph: Graph, before: SubgraphWriter, called: int) -> Graph:
    """The graph on a model that holds the other's buffers and operator codes too, its own behind them."""
    model = copy.copy(graph.model)
    shifts = {"buffer": len(before.buffers), "code": len(before.operator_codes), "graph": called}
    model.subgraphs = [_moved_subgraph(subgraph, shifts) for subgraph in graph.model.subgraphs]
    model.buffers = [*before.buffers, *graph.model.buffers]
    model.operatorCodes = [*before.operator_codes, *graph.model.operatorCodes]
    return replace(graph, model=model)


def _moved_subgraph(subgraph: Any, shifts: Mapping[str, int]) -> Any:
    moved = copy.copy(subgraph)
    moved.tensors = [copy.copy(tensor) for tensor in subgraph.tensors or []]
    moved.operators = [copy.copy(operator) for operator in subgraph.operators or []]
    for tensor in moved.tensors:
        tensor.buffer += shifts["buffer"]
    for operator in moved.operators:
        operator.opcodeIndex += shifts["code"]
        if tflite.called_subgraphs(operator):
            operator.builtinOptions = _moved_calls(operator.builtinOptions, shifts["graph"])
            operator.builtinOptions2 = _moved_calls(operator.builtinOptions2, shifts["graph"])
    return moved


def _moved_calls(options: Any, shift: int) -> Any:
    moved = copy.copy(options)
    for name, index in vars(moved).items() if moved is not None else ():
        if name.lower().endswith(("subgraphindex", "subgraph")):
            setattr(moved, name, index + shift)
    return moved
