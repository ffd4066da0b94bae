"""A network's graph: its operators in order, what each costs, and which tensors cross each cut point."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from models.network import tflite
from models.network.data_types import DATATYPES
from models.network.fusions import summed_squares
from models.network.layers import layer_name, names_of_cuts
from models.network.obstacles import obstacle
from models.network.open_batch import close_batch, is_open
from models.network.operator_work import Tensor
from models.network.operators import Operator, Reader
from models.network.soundness import check_sound
from protocol.errors import InvalidInput
from protocol.files import open_regular
from protocol.tensors import TensorSpec


@dataclass(frozen=True)
class Graph:
    """The main graph of a network; tensors are known by their index. `inputs` and `outputs` map names to tensors.

    A cut point k lies after the first k operators: 0 is the input, `operator_count` the output. `obstacle` says why the
    network cannot be cut at all, '' where it can. `loose` tensors have a shape that depends on the data, each with the
    operator that began it.
    """

    what: str
    digest: str
    operators: tuple[Operator, ...]
    tensors: tuple[Tensor, ...]
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    obstacle: str
    loose: Mapping[int, Operator]
    model: Any = field(repr=False, compare=False)

    @property
    def operator_count(self) -> int:
        return len(self.operators)

    def boundary(self, cut: int) -> tuple[int, ...]:
        """The tensors that cross the cut point, by index; at 0 the network's inputs in their own order."""
        return tuple(self.inputs.values()) if cut == 0 else self._boundaries.get(cut, ())

    def boundary_bytes(self, cut: int) -> int:
        """What crosses, before any codec; 0 at the output."""
        return sum(self.tensors[index].nbytes for index in self.boundary(cut))

    def finished_outputs(self, cut: int) -> tuple[str, ...]:
        """The network's outputs that are complete before the cut."""
        return tuple(name for name, index in self.outputs.items() if self._lives[index][0] < cut)

    def cut_name(self, cut: int) -> str:
        """The layer that ends at the cut point; no two cut points share a name."""
        return self._cut_names[cut]

    def layer(self, operator: Operator) -> str:
        """The layer of an operator, told from the name of its result; else the operator's kind in small letters."""
        name = self.tensors[operator.outputs[0]].name if operator.outputs else ""
        return layer_name(name) or operator.name.lower()

    def spec(self, index: int, name: str) -> TensorSpec:
        """The tensor as the protocol describes it; InvalidInput where its type cannot travel."""
        tensor = self.tensors[index]
        if tensor.type_name not in DATATYPES:
            raise InvalidInput(f"{self.what}: tensor '{tensor.name}' is {tensor.type_name}, which cannot travel")
        return TensorSpec(name, DATATYPES[tensor.type_name], tensor.shape, tensor.scale, tensor.zero_point)

    def is_cut_point(self, cut: int) -> bool:
        """Whether cutting here makes sense: work on both sides, and between them something that can travel."""
        return not self.obstacle_at(cut)

    def obstacle_at(self, cut: int) -> str:
        """Why the network cannot be cut between these two operators; '' where it can.

        After an operator that both sides repeat, the cut is the one before it, so it is not counted again.
        """
        if not 0 < cut < self.operator_count:
            return f"only 1 to {self.operator_count - 1} lie between two operators"
        before = self.operators[cut - 1]
        if before.derived:
            return f"operator {before.index}, {before.name}, depends on no input, so that both sides repeat it"
        crossing = [self.tensors[index] for index in self.boundary(cut)]
        if not crossing:
            return "nothing crosses there"
        reasons = (self._cannot_cross(tensor) or self._is_never_there(tensor, cut) for tensor in crossing)
        return next((reason for reason in reasons if reason), "")

    def _is_never_there(self, tensor: Tensor, cut: int) -> str:
        if tensor.index not in self._summed_squares:
            return ""
        square, total = self._summed_squares[tensor.index]
        if total.index < cut:
            return ""
        return (
            f"LiteRT computes operator {square.index}, {square.name}, and operator {total.index}, {total.name}, as one, "
            "so that a cut between them gives other bits"
        )

    def _cannot_cross(self, tensor: Tensor) -> str:
        if tensor.index in self.loose:
            first = self.loose[tensor.index]
            return f"'{tensor.name}' has a shape that depends on the data since operator {first.index}, {first.name}"
        if tensor.type_name not in DATATYPES:
            return f"'{tensor.name}' is {tensor.type_name}, which cannot travel"
        return "" if tensor.nbytes else f"'{tensor.name}' is empty"

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
    def _summed_squares(self) -> Mapping[int, tuple[Operator, Operator]]:
        return summed_squares(self.operators)

    @cached_property
    def _boundaries(self) -> dict[int, tuple[int, ...]]:
        crossing: dict[int, list[int]] = {}
        for index, (born, last) in sorted(self._lives.items()):
            for cut in range(born + 1, last + 1):
                crossing.setdefault(cut, []).append(index)
        return {cut: tuple(indices) for cut, indices in crossing.items()}

    @cached_property
    def _cut_names(self) -> tuple[str, ...]:
        return names_of_cuts(
            [self.layer(operator) for operator in self.operators], [operator.name for operator in self.operators]
        )


def read_graph(path: Path) -> Graph:
    """The network's main graph. InvalidInput, naming the file, where it is no sound TFLite.

    Where the network leaves its batch open, the runtime is asked for the shapes that a batch of 1 gives.
    """
    model = tflite.read(path)
    check_sound(model, what=str(path), may_be_open=True)
    unusable = close_batch(model, path) if is_open(model) else ""
    return graph_of(model, what=str(path), digest=_digest(path), unusable=unusable)


def graph_of(model: Any, *, what: str, digest: str, unusable: str = "") -> Graph:
    """The graph of a flatbuffer that was already read. `unusable` is an obstacle that is known before."""
    check_sound(model, what=what)
    reader = Reader(model)
    tensors, listing = reader.tensors(0), reader.listing(0)
    inputs, outputs = (_named(model, side, tensors, what) for side in ("inputs", "outputs"))
    obstacles = obstacle(reader, inputs, outputs) or unusable
    return Graph(what, digest, listing.operators, tensors, inputs, outputs, obstacles, listing.loose, model)


def _digest(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _named(model: Any, side: str, tensors: tuple[Tensor, ...], what: str) -> Mapping[str, int]:
    """Inputs or outputs by the name that the network's signature gives them, else by their tensor's; a second one of a name
    is told by its place."""
    signatures = [signature for signature in model.signatureDefs or [] if signature.subgraphIndex == 0]
    given = getattr(signatures[0], side) or [] if signatures else []
    indices = tflite.numbers(getattr(model.subgraphs[0], side))
    named: dict[str, int] = {}
    for place, index in enumerate(indices):
        names = [tflite.text(entry.name) for entry in given if entry.tensorIndex == index]
        names += [tensors[index].name or f"{side[:-1]}_{place}", f"{tensors[index].name}_{place}"]
        named[next((name for name in names if name and name not in named), "")] = index
    if not indices or len(named) != len(indices):
        raise InvalidInput(f"{what}: its {side} must have different names, and be one or more, not {indices}")
    return named
