"""A network's graph: its operators in order, what each costs, and which tensors cross each cut point."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from models import tflite
from models.operator_work import Tensor, work_of
from protocol.errors import InvalidInput
from protocol.tensors import TensorSpec
from protocol.work import Work

DATATYPES: Mapping[str, str] = {
    "BOOL": "BOOL",
    "UINT8": "UINT8",
    "UINT16": "UINT16",
    "UINT32": "UINT32",
    "UINT64": "UINT64",
    "INT8": "INT8",
    "INT16": "INT16",
    "INT32": "INT32",
    "INT64": "INT64",
    "FLOAT16": "FP16",
    "FLOAT32": "FP32",
    "FLOAT64": "FP64",
}
"""The protocol's names of those TFLite types that can travel."""

_VARIABLE_OPERATORS = frozenset({"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"})
_RANDOM_OPERATORS = frozenset(
    {"RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL", "MULTINOMIAL", "STABLEHLO_RNG_BIT_GENERATOR"}
)


@dataclass(frozen=True)
class Operator:
    """One node. `derived`: it depends on constants only, so that both sides repeat it and its results never cross."""

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    derived: bool
    work: Work


@dataclass(frozen=True)
class Graph:
    """The main graph of a network; tensors are known by their index. `inputs` and `outputs` map names to tensors.

    A cut point k lies after the first k operators: 0 is the input, `operator_count` the output.
    """

    what: str
    digest: str
    operators: tuple[Operator, ...]
    tensors: tuple[Tensor, ...]
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    model: Any = field(repr=False, compare=False)

    @property
    def operator_count(self) -> int:
        return len(self.operators)

    def boundary(self, cut: int) -> tuple[int, ...]:
        """The tensors that cross the cut point, by index; at 0 the network's inputs in their own order."""
        if cut == 0:
            return tuple(self.inputs.values())
        crossing = (index for index, (born, last) in self._lives.items() if born < cut <= last)
        return tuple(sorted(crossing))

    def finished_outputs(self, cut: int) -> tuple[str, ...]:
        """The network's outputs that are complete before the cut."""
        return tuple(name for name, index in self.outputs.items() if self._lives[index][0] < cut)

    def cut_name(self, cut: int) -> str:
        """The layer that ends at the cut point; no two cut points share a name."""
        return self._cut_names[cut]

    def spec(self, index: int, name: str) -> TensorSpec:
        """The tensor as the protocol describes it; InvalidInput where its type cannot travel."""
        tensor = self.tensors[index]
        if tensor.type_name not in DATATYPES:
            raise InvalidInput(f"{self.what}: tensor '{tensor.name}' is {tensor.type_name}, which cannot travel")
        return TensorSpec(name, DATATYPES[tensor.type_name], tensor.shape, tensor.scale, tensor.zero_point)

    def is_cut_point(self, cut: int) -> bool:
        """Whether cutting here makes sense: work on both sides, and between them something that can travel.

        After an operator that both sides repeat, the cut is the one before it, so it is not counted again.
        """
        if not 0 < cut < self.operator_count or self.operators[cut - 1].derived:
            return False
        crossing = [self.tensors[index] for index in self.boundary(cut)]
        return bool(crossing) and all(tensor.type_name in DATATYPES and tensor.nbytes for tensor in crossing)

    @cached_property
    def _lives(self) -> dict[int, tuple[int, int]]:
        """Of each tensor that is not fixed: which operator makes it (-1: an input) and which uses it last (-1: none)."""
        born = dict.fromkeys(self.inputs.values(), -1)
        last: dict[int, int] = {}
        for operator in self.operators:
            if not operator.derived:
                born |= dict.fromkeys(operator.outputs, operator.index)
                last |= dict.fromkeys(operator.inputs, operator.index)
        return {index: (start, last.get(index, -1)) for index, start in born.items()}

    @cached_property
    def _cut_names(self) -> tuple[str, ...]:
        layers = [self._layer(operator) for operator in self.operators[:-1]]
        repeated = {layer for layer, count in Counter(layers).items() if count > 1}
        names = [
            f"{layer}/{operator.name.lower()}" if layer in repeated else layer
            for layer, operator in zip(layers, self.operators, strict=False)
        ]
        counts = Counter(names)
        unique = [f"{name}_{cut}" if counts[name] > 1 else name for cut, name in enumerate(names, start=1)]
        return ("input", *unique, "output")

    def _layer(self, operator: Operator) -> str:
        name = self.tensors[operator.outputs[0]].name if operator.outputs else ""
        return layer_name(name) or operator.name.lower()


def layer_name(tensor_name: str) -> str:
    """The layer in a converter's tensor name: `vgg_1/block1_relu1_1/Relu;vgg_1/…` gives `block1_relu1`.

    Keras 3 adds `_1` to every part of the path, which is taken off again. Names that tell nothing give ''.
    """
    first = tensor_name.partition(";")[0].partition(":")[0]
    if first.startswith(("StatefulPartitionedCall", "PartitionedCall", "tfl.", "arith.", "Identity")):
        return ""
    path = first.split("/")
    scopes = path[:-1] or path
    if len(path) > 1 and all(scope.endswith("_1") for scope in scopes):
        scopes = [scope.removesuffix("_1") for scope in scopes]
    return scopes[-1]


def read_graph(path: Path) -> Graph:
    """The network's main graph. InvalidInput, naming the file, where it is no sound TFLite or cannot be cut."""
    return graph_of(tflite.read(path), what=str(path), digest=_digest(path))


def graph_of(model: Any, *, what: str, digest: str) -> Graph:
    """The graph of a flatbuffer that was already read. What cannot be cut is refused here, by name."""
    main = model.subgraphs[0]
    constant = {index for index, tensor in enumerate(main.tensors or []) if _holds_data(model, tensor)}
    tensors = tuple(_tensor(tensor, index, index in constant) for index, tensor in enumerate(main.tensors or []))
    operators = _operators(model, main, tensors)
    if not operators:
        raise InvalidInput(f"{what} holds no operators")
    _refuse_variables(model, what)
    _check_sizes(model, main, tensors, what)
    inputs, outputs = (_named(model, side, tensors, what) for side in ("inputs", "outputs"))
    graph = Graph(what, digest, operators, tensors, inputs, outputs, model)
    _check_order(graph)
    return graph


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _holds_data(model: Any, tensor: Any) -> bool:
    data = tflite.data_of(model.buffers[tensor.buffer])
    return tensor.buffer != 0 and data is not None and len(data) > 0


def _tensor(tensor: Any, index: int, constant: bool) -> Tensor:
    type_name = tflite.type_names().get(tensor.type, f"type {tensor.type}")
    shape = tuple(tflite.numbers(tensor.shape))
    plain = Tensor(index, tflite.text(tensor.name), type_name, shape, constant)
    quantisation = tensor.quantization
    if quantisation is None or quantisation.scale is None or len(quantisation.scale) != 1:
        return plain
    zero_points = tflite.numbers(quantisation.zeroPoint) or [0]
    return replace(plain, scale=float(quantisation.scale[0]), zero_point=zero_points[0])


def _operators(model: Any, main: Any, tensors: Sequence[Tensor]) -> tuple[Operator, ...]:
    """The operators in order; each learns whether all that it reads is fixed."""
    fixed = {tensor.index for tensor in tensors if tensor.constant}
    operators = []
    for index, raw in enumerate(main.operators or []):
        name, inputs, outputs = (
            tflite.operator_name(model, raw),
            tflite.numbers(raw.inputs),
            tflite.numbers(raw.outputs),
        )
        derived = name not in _RANDOM_OPERATORS and all(source in fixed for source in inputs if source >= 0)
        if derived:
            fixed |= set(outputs)
            work = Work(operators=1)
        else:
            sources = [tensors[source] if source >= 0 else None for source in inputs]
            work = work_of(name, sources, [tensors[sink] for sink in outputs], [source in fixed for source in inputs])
        used = tuple(source for source in inputs if source >= 0)
        operators.append(Operator(index, name, used, tuple(outputs), derived, work))
    return tuple(operators)


def _named(model: Any, side: str, tensors: Sequence[Tensor], what: str) -> Mapping[str, int]:
    """Inputs or outputs by the name that the network's signature gives them, else by their tensor's."""
    signatures = [signature for signature in model.signatureDefs or [] if signature.subgraphIndex == 0]
    given = getattr(signatures[0], side) or [] if signatures else []
    names = {entry.tensorIndex: tflite.text(entry.name) for entry in given}
    indices = tflite.numbers(getattr(model.subgraphs[0], side))
    named = {
        names.get(index) or tensors[index].name or f"{side[:-1]}_{place}": index for place, index in enumerate(indices)
    }
    if not indices or len(set(named.values())) != len(indices):
        raise InvalidInput(f"{what}: its {side} must be different tensors with different names, not {indices}")
    return named


def _refuse_variables(model: Any, what: str) -> None:
    """State between calls would be lost between the two sides; a cut network that keeps any returns garbage."""
    for subgraph in model.subgraphs:
        tensors = subgraph.tensors or []
        for index, operator in enumerate(subgraph.operators or []):
            name = tflite.operator_name(model, operator)
            touched = [
                tensors[at] for at in tflite.numbers(operator.inputs) + tflite.numbers(operator.outputs) if at >= 0
            ]
            kept = [tensor for tensor in touched if tensor.isVariable]
            if name in _VARIABLE_OPERATORS or kept:
                tensor = tflite.text((kept or touched)[0].name) if touched else "?"
                raise InvalidInput(
                    f"{what}: operator {index}, {name}, keeps state between calls in '{tensor}'; such a network cannot "
                    "be cut. Export it with its variables frozen"
                )


def _check_sizes(model: Any, main: Any, tensors: Iterable[Tensor], what: str) -> None:
    """Shapes are whole numbers, and a constant's data are as long as its shape says."""
    for tensor in tensors:
        if any(side < 0 for side in tensor.shape):
            raise InvalidInput(f"{what} is damaged: tensor '{tensor.name}' has shape {list(tensor.shape)}")
        dense = tensor.nbytes and main.tensors[tensor.index].sparsity is None
        if tensor.constant and dense:
            held = len(model.buffers[main.tensors[tensor.index].buffer].data)
            if held < tensor.nbytes:
                raise InvalidInput(
                    f"{what} is damaged: tensor '{tensor.name}' holds {held} bytes, its shape needs {tensor.nbytes}"
                )


def _check_order(graph: Graph) -> None:
    """Each operator reads what came before it, and each output is computed."""
    known = {tensor.index for tensor in graph.tensors if tensor.constant} | set(graph.inputs.values())
    for operator in graph.operators:
        early = [source for source in operator.inputs if source not in known]
        if early:
            name = graph.tensors[early[0]].name
            raise InvalidInput(
                f"{graph.what}: operator {operator.index}, {operator.name}, reads '{name}' before it is made"
            )
        known |= set(operator.outputs)
    computed = {index for operator in graph.operators if not operator.derived for index in operator.outputs}
    for name, index in graph.outputs.items():
        if index not in computed:
            raise InvalidInput(
                f"{graph.what}: output '{name}' does not depend on any input; such a network cannot be cut"
            )
