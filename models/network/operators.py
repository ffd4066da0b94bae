"""The operators and tensors of a flatbuffer's graphs, as plain values; what a WHILE or IF calls is looked into."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from models.network import tflite
from models.network.data_shapes import shaped_by_data, stays_loose
from models.network.operator_work import Tensor, work_of
from protocol.work import Work, total

RANDOM = frozenset({"RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL", "MULTINOMIAL", "STABLEHLO_RNG_BIT_GENERATOR"})
SHAPE_READERS = frozenset({"SHAPE", "RANK"})
"""They look at a tensor's shape, not at its values."""


@dataclass(frozen=True)
class Operator:
    """One node. `derived`: it depends on constants only, so that both sides repeat it and its results never cross.

    `slots` are its inputs by place, -1 where an optional one is left out; `inputs` those that are there.
    """

    index: int
    name: str
    slots: tuple[int, ...]
    outputs: tuple[int, ...]
    derived: bool
    calls: tuple[int, ...]
    work: Work

    @property
    def inputs(self) -> tuple[int, ...]:
        return tuple(source for source in self.slots if source >= 0)

    @property
    def known_shape(self) -> bool:
        """It only tells the shape of its input, which does not change: its result is a constant."""
        return self.derived and self.name in SHAPE_READERS


@dataclass(frozen=True)
class Listing:
    """A graph's operators in order. `fixed` tensors do not depend on the graph's inputs; `loose` ones have a shape that
    depends on the data, each with the operator that began it."""

    operators: tuple[Operator, ...]
    fixed: frozenset[int]
    loose: Mapping[int, Operator]


class Reader:
    """Reads the graphs of one flatbuffer by number; each is read once."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._tensors: dict[int, tuple[Tensor, ...]] = {}
        self._listings: dict[int, Listing] = {}

    def tensors(self, number: int) -> tuple[Tensor, ...]:
        if number not in self._tensors:
            listed = enumerate(self.model.subgraphs[number].tensors or [])
            self._tensors[number] = tuple(_tensor(self.model, tensor, index) for index, tensor in listed)
        return self._tensors[number]

    def listing(self, number: int) -> Listing:
        """The graph with this number. Graphs must not call each other in a circle, which `tflite.parse` checks."""
        if number not in self._listings:
            self._listings[number] = self._list(number)
        return self._listings[number]

    def _list(self, number: int) -> Listing:
        tensors = self.tensors(number)
        fixed = {tensor.index for tensor in tensors if tensor.constant}
        loose: dict[int, Operator] = {}
        operators = []
        for index, raw in enumerate(self.model.subgraphs[number].operators or []):
            operator = self._operator(index, raw, tensors, fixed, loose)
            operators.append(operator)
            if operator.derived:
                fixed |= set(operator.outputs)
            else:
                loose |= self._loosened(operator, tensors, fixed, loose)
        return Listing(tuple(operators), frozenset(fixed), loose)

    def _operator(
        self, index: int, raw: Any, tensors: Sequence[Tensor], fixed: Collection[int], loose: Collection[int]
    ) -> Operator:
        name, slots = tflite.operator_name(self.model, raw), tuple(tflite.numbers(raw.inputs))
        outputs, calls = tuple(tflite.numbers(raw.outputs)), tuple(tflite.called_subgraphs(raw))
        read = [source for source in slots if source >= 0]
        known = name in SHAPE_READERS and not any(source in loose for source in read)
        if name not in RANDOM and (known or all(source in fixed for source in read)):
            return Operator(index, name, slots, outputs, True, calls, Work(operators=1))
        sources = [tensors[source] if source >= 0 else None for source in slots]
        work = work_of(name, sources, [tensors[sink] for sink in outputs], [source in fixed for source in slots])
        return Operator(index, name, slots, outputs, False, calls, work + self._work_called(name, calls))

    def _loosened(
        self, operator: Operator, tensors: Sequence[Tensor], fixed: Collection[int], loose: Mapping[int, Operator]
    ) -> dict[int, Operator]:
        """The operator's outputs of unknown shape, each with the operator that began it."""
        began = dict.fromkeys(shaped_by_data(operator.name, operator.slots, operator.outputs, fixed), operator)
        began |= dict.fromkeys(self._loose_when_called(operator), operator)
        if unsure := [source for source in operator.inputs if source in loose]:
            sources = [tensors[source] for source in unsure]
            held = (index for index in operator.outputs if stays_loose(tensors[index], sources))
            began = dict.fromkeys(held, loose[unsure[0]]) | began
        return began

    def _loose_when_called(self, operator: Operator) -> list[int]:
        """Outputs of a WHILE or IF whose graphs give a shape that depends on the data."""
        if operator.name not in ("WHILE", "IF") or len(operator.calls) != 2:
            return []
        given = [self._given(number) for number in operator.calls]
        if operator.name == "WHILE":
            given[0] = [self.tensors(operator.calls[1])[at].shape for at in self._ends(operator.calls[1], "inputs")]
        pairs = zip(operator.outputs, *given, strict=False)
        return [output for output, one, other in pairs if one is None or other is None or one != other]

    def _given(self, number: int) -> list[tuple[int, ...] | None]:
        """The shapes that a graph gives, None where they depend on the data."""
        tensors, loose = self.tensors(number), self.listing(number).loose
        return [None if at in loose else tensors[at].shape for at in self._ends(number, "outputs")]

    def _ends(self, number: int, side: str) -> list[int]:
        return tflite.numbers(getattr(self.model.subgraphs[number], side))

    def _work_called(self, name: str, calls: Sequence[int]) -> Work:
        """One pass of a WHILE's condition and body; the dearer branch of an IF; what else is called, once."""
        works = [total(operator.work for operator in self.listing(number).operators) for number in calls]
        if name in ("IF", "STABLEHLO_CASE") and works:
            return max(works, key=lambda work: (work.total_macs, work.moved_bytes))
        return total(works) if name != "CALL_ONCE" else Work()


def _tensor(model: Any, tensor: Any, index: int) -> Tensor:
    type_name = tflite.type_names().get(tensor.type, f"type {tensor.type}")
    shape, signature = tuple(tflite.numbers(tensor.shape)), tflite.numbers(tensor.shapeSignature)
    is_open = any(side < 0 for side in (*shape, *signature))
    plain = Tensor(index, tflite.text(tensor.name), type_name, shape, _holds_data(model, tensor), is_open=is_open)
    quantisation = tensor.quantization
    if quantisation is None or quantisation.scale is None or len(quantisation.scale) != 1:
        return plain
    zero_points = tflite.numbers(quantisation.zeroPoint) or [0]
    return replace(plain, scale=float(quantisation.scale[0]), zero_point=zero_points[0])


def _holds_data(model: Any, tensor: Any) -> bool:
    data = tflite.data_of(model.buffers[tensor.buffer])
    return tensor.buffer != 0 and data is not None and len(data) > 0
