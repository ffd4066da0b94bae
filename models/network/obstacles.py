"""Why a network that can be read still cannot be cut, told by operator and name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from models.network import tflite
from models.network.data_types import DATATYPES
from models.network.operators import RANDOM, Reader

_WITHOUT = "such a network cannot be cut. Convert it without that output"

_VARIABLES = frozenset({"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"})

CUSTOM = frozenset({"TFLite_Detection_PostProcess", "Mfcc", "AudioSpectrogram", "NumericVerify"})
"""Custom operators that LiteRT brings with it (`BuiltinOpResolver`, and the audio kernels of its Python package)."""


def obstacle(reader: Reader, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> str:
    """The first reason why no cut of this network would answer as the whole does; '' where there is none."""
    return next(_reasons(reader, inputs, outputs), "")


def _reasons(reader: Reader, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> Iterator[str]:
    for number in range(len(reader.model.subgraphs)):
        yield from _in_operators(reader.model, number)
    yield from _at_ends(reader, inputs, outputs)


def _in_operators(model: Any, number: int) -> Iterator[str]:
    subgraph = model.subgraphs[number]
    place = f" of graph {number} ({tflite.text(subgraph.name)})" if number else ""
    for index, operator in enumerate(subgraph.operators or []):
        name = tflite.operator_name(model, operator)
        what = f"operator {index}{place}, {name},"
        touched = [
            subgraph.tensors[at] for at in tflite.numbers(operator.inputs) + tflite.numbers(operator.outputs) if at >= 0
        ]
        kept = [tensor for tensor in touched if tensor.isVariable]
        if name in _VARIABLES or kept:
            tensor = tflite.text((kept or touched)[0].name) if touched else "?"
            yield (
                f"{what} keeps state between calls in '{tensor}'; such a network cannot be cut. Export it with its "
                "variables frozen, a recurrent layer unrolled or as a loop"
            )
        elif name in RANDOM:
            yield f"{what} draws random numbers, so that two runs never agree; such a network cannot be cut"
        elif unknown := _unknown(model, operator, name):
            yield f"{what} is {unknown}; such a network cannot be run here. Convert it with built-in operators only"


def _unknown(model: Any, operator: Any, name: str) -> str:
    """What kind of operator this is, where LiteRT does not have it."""
    if name.startswith("operator "):
        return "not known to this version of LiteRT"
    if name in ("DELEGATE", "PLACEHOLDER_FOR_GREATER_OP_CODES"):
        return "no operator that a file may hold"
    if tflite.is_custom(model, operator) and name not in CUSTOM:
        flex = name.startswith("Flex")
        return "an operator of TensorFlow, which LiteRT lacks" if flex else "a custom operator, which LiteRT lacks"
    return ""


def _at_ends(reader: Reader, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> Iterator[str]:
    tensors, listing = reader.tensors(0), reader.listing(0)
    made = {index for operator in listing.operators if not operator.derived for index in operator.outputs}
    for side, ends in (("input", inputs), ("output", outputs)):
        for name, index in ends.items():
            if tensors[index].type_name not in DATATYPES:
                yield f"{side} '{name}' is {tensors[index].type_name}, which cannot travel between device and cloud"
    for name, index in inputs.items():
        sides = tflite.numbers(reader.model.subgraphs[0].tensors[index].shapeSignature) or tensors[index].shape
        if any(side < 0 for side in sides[1:]):
            yield f"input '{name}' has open sides {list(sides)}; only the batch may be open. Convert it with fixed sizes"
    for name, index in outputs.items():
        if index in listing.loose:
            first = listing.loose[index]
            yield f"output '{name}' has a shape that depends on the data since operator {first.index}, {first.name}"
        if index in inputs.values():
            yield f"output '{name}' is an input, passed on as it is; {_WITHOUT}"
        elif index not in made:
            yield f"output '{name}' is constant, it does not depend on any input; {_WITHOUT}"
    for side, ends in (("inputs", inputs), ("outputs", outputs)):
        for index in ends.values():
            names = [f"'{name}'" for name, other in ends.items() if other == index]
            if len(names) > 1:
                yield f"{side} {' and '.join(names)} are one tensor; such a network cannot be cut. Convert it with one of them"
