"""Writing one head, tail or whole as a subgraph that shares its tensors' and options' tables with the others."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from models.network import tflite
from models.network.graph import Graph
from models.network.operators import Operator
from models.network.placement import computed_early, planned_later

_MAXIMUM_TYPES = frozenset({"FLOAT32", "INT32", "INT64"})
"""What the kernel of MAXIMUM takes, of the types that are told of shapes."""


@dataclass(frozen=True)
class Part:
    """One signature to write: which operators, and the tensors at both ends by their signature names."""

    signature: str
    operators: tuple[int, ...]
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]


class SubgraphWriter:
    """Builds subgraphs that share their tensors' and options' tables; only operators are numbered anew in each.

    `buffers` and `operator_codes` are the network's own, and behind them those that were added: values of shapes that do
    not change, and RESHAPE.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._raw = graph.model.subgraphs[0]
        self.buffers = [tflite.AlignedBuffer(tflite.data_of(buffer)) for buffer in graph.model.buffers]
        self.operator_codes = list(graph.model.operatorCodes)
        self._tensors = [tflite.Once(_fixed_shape(tensor)) for tensor in self._raw.tensors]
        self._options = [tflite.Once(operator.builtinOptions) for operator in self._raw.operators]
        self._places: dict[str, dict[str, int]] = {}
        self._settling: dict[int, tuple[tflite.Once, tflite.Once]] = {}
        self._early = computed_early(graph.operators, graph.tensors)
        self._unsettled = self._early | planned_later(graph.operators, graph.tensors)
        for operator in graph.operators:
            if operator.known_shape:
                self._write_known_shape(operator)

    def subgraph(self, part: Part) -> Any:
        chosen = [self._raw.operators[index] for index in part.operators]
        used = {index for operator in chosen for index in _touched(operator) if index >= 0}
        used |= {*part.inputs.values(), *part.outputs.values()}
        place = {index: new for new, index in enumerate(sorted(used))}
        result = schema.SubGraphT(
            tensors=[self._tensors[index] for index in place],
            inputs=[place[index] for index in part.inputs.values()],
            outputs=[],
            operators=[self._operator(index, place) for index in part.operators],
            name=part.signature,
        )
        ends = {name: place[index] for name, index in part.inputs.items()}
        for name, index in part.outputs.items():
            ends[name] = self._settled(result, index, place[index]) if index in self._unsettled else place[index]
            result.outputs.append(ends[name])
        self._places[part.signature] = ends
        return result

    def signature(self, part: Part, number: int) -> Any:
        ends = self._places[part.signature]
        return schema.SignatureDefT(
            inputs=[schema.TensorMapT(name, ends[name]) for name in part.inputs],
            outputs=[schema.TensorMapT(name, ends[name]) for name in part.outputs],
            signatureKey=part.signature,
            subgraphIndex=number,
        )

    def _operator(self, index: int, place: Mapping[int, int]) -> Any:
        operator = copy.copy(self._raw.operators[index])
        for side in ("inputs", "outputs", "intermediates"):
            if getattr(operator, side) is not None:
                setattr(operator, side, [place.get(at, -1) for at in tflite.numbers(getattr(operator, side))])
        if operator.builtinOptions is not None:
            operator.builtinOptions = self._options[index]
        return operator

    def _settled(self, subgraph: Any, index: int, place: int) -> int:
        """Adds an operator that changes nothing, and gives the place of its result, which lies in planned memory.

        A RESHAPE to the shape that the tensor has anyway; one that was computed early a RESHAPE would compute early too, a
        MAXIMUM of it with itself would not.
        """
        if index not in self._settling:
            self._settling[index] = self._settling_tensors(index)
        subgraph.tensors += self._settling[index]
        shape, copied = len(subgraph.tensors) - 2, len(subgraph.tensors) - 1
        early = index in self._early and self._graph.tensors[index].type_name in _MAXIMUM_TYPES
        name, inputs = ("MAXIMUM", [place, place]) if early else ("RESHAPE", [place, shape])
        subgraph.operators.append(schema.OperatorT(opcodeIndex=self._code(name), inputs=inputs, outputs=[copied]))
        return copied

    def _settling_tensors(self, index: int) -> tuple[tflite.Once, tflite.Once]:
        """The shape that RESHAPE takes, and its result. Of a scalar it makes one element: a runner gives it its shape back."""
        settled = _fixed_shape(self._raw.tensors[index])
        name = tflite.text(settled.name)
        settled.name = f"{name}/settled"
        sides = np.asarray(self._graph.tensors[index].shape or [1], np.int32)
        shape = schema.TensorT(
            shape=[len(sides)],
            type=schema.TensorType.INT32,
            buffer=self._added_buffer(sides),
            name=f"{name}/shape",
        )
        return tflite.Once(shape), tflite.Once(settled)

    def _code(self, name: str) -> int:
        code = getattr(schema.BuiltinOperator, name)
        for place, known in enumerate(self.operator_codes):
            if max(known.builtinCode, known.deprecatedBuiltinCode) == code:
                return place
        self.operator_codes.append(schema.OperatorCodeT(deprecatedBuiltinCode=code, builtinCode=code, version=1))
        return len(self.operator_codes) - 1

    def _write_known_shape(self, operator: Operator) -> None:
        """What SHAPE or RANK would say becomes a constant: on the other side of a cut its tensor need not exist."""
        sides = self._graph.tensors[operator.inputs[0]].shape
        for index in operator.outputs:
            wide = self._graph.tensors[index].type_name == "INT64"
            values = np.asarray(len(sides) if operator.name == "RANK" else sides, np.int64 if wide else np.int32)
            constant = _fixed_shape(self._raw.tensors[index])
            constant.buffer = self._added_buffer(values)
            self._tensors[index] = tflite.Once(constant)

    def _added_buffer(self, values: np.ndarray[Any, Any]) -> int:
        self.buffers.append(tflite.AlignedBuffer(np.frombuffer(values.tobytes(), np.uint8)))
        return len(self.buffers) - 1


def _touched(operator: Any) -> list[int]:
    return [at for side in (operator.inputs, operator.outputs, operator.intermediates) for at in tflite.numbers(side)]


def _fixed_shape(tensor: Any) -> Any:
    """A batch that may vary is fixed at the shape in the file: a bundle's boundaries have one shape each."""
    fixed = copy.copy(tensor)
    fixed.shapeSignature = None
    return fixed
