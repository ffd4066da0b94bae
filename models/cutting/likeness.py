"""Do two networks hold the same tensors? Both are run on the same random inputs, with every tensor kept."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.network.graph import Graph
from models.network.operator_work import Tensor
from models.running.native_log import native_messages
from protocol.errors import InvalidInput
from protocol.tensors import Array

SAMPLES, ENOUGH_VALUES = 3, 30
"""Random inputs; up to 10 where the smallest output has so few elements that 3 answers would correlate by chance."""

LEAST = 0.5
"""Pearson's correlation that matched tensors must reach. int8 networks come to 0.8 and more, other weights stay about 0."""

LEAST_AT_OUTPUTS = 0.7
"""What outputs must reach, before a softmax. int8 networks come to 0.99, with random weights to 0.8; two networks that were
trained for the same ten classes to 0.5, since some classes come up more easily than others."""


@dataclass
class _Sums:
    """What a correlation over several runs needs."""

    count: int = 0
    sums: Array | None = None

    def add(self, one: Array, other: Array) -> None:
        x, y = (values.astype(np.float64).ravel() for values in (one, other))
        self.count += x.size
        parts = np.array([x.sum(), y.sum(), x @ x, y @ y, x @ y])
        self.sums = parts if self.sums is None else self.sums + parts

    def correlation(self) -> float:
        """1 where neither varies, since then there is nothing that could differ; 0 where only one does."""
        if self.sums is None or not np.isfinite(self.sums).all():
            return 0.0
        x, y, xx, yy, xy = self.sums / max(self.count, 1)
        spread = [max(square - mean * mean, 0.0) for mean, square in ((x, xx), (y, yy))]
        still = [each <= 1e-12 * max(square, 1e-300) for each, square in zip(spread, (xx, yy), strict=True)]
        if any(still):
            return float(all(still))
        return float((xy - x * y) / np.sqrt(spread[0] * spread[1]))


def correlations(head: Graph, tail: Graph, pairs: Iterable[tuple[int, int]]) -> Mapping[tuple[int, int], float]:
    """Of pairs of tensors, the first in one network and the second in the other, how alike their values are: -1 to 1.

    InvalidInput where the runtime refuses a network.
    """
    sums = {pair: _Sums() for pair in pairs}
    with native_messages(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that keeping all tensors is for debugging
        one, other = _opened(head), _opened(tail)
    for inputs in _inputs(head):
        _run(one, head, inputs)
        _run(other, tail, inputs)
        for (left, right), each in sums.items():
            each.add(_value(one, head.tensors[left]), _value(other, tail.tensors[right]))
    return {pair: each.correlation() for pair, each in sums.items()}


def _opened(graph: Graph) -> Any:
    """With the plain kernels: a delegate hides the tensors that it computes."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    try:
        interpreter = Interpreter(
            graph.what,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
            num_threads=1,
        )
        for index in graph.inputs.values():
            interpreter.resize_tensor_input(index, list(graph.tensors[index].shape))
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise InvalidInput(f"{graph.what} is refused by LiteRT: {' '.join(str(error).split())[:200]}") from error
    return interpreter


def _run(interpreter: Any, graph: Graph, inputs: Sequence[Array]) -> None:
    for values, index in zip(inputs, graph.inputs.values(), strict=True):
        kind = interpreter.get_tensor(index).dtype
        interpreter.set_tensor(index, _quantised(values, graph.tensors[index], kind).astype(kind))
    try:
        interpreter.invoke()
    except (RuntimeError, ValueError) as error:
        raise InvalidInput(f"{graph.what} does not run: {' '.join(str(error).split())[:200]}") from error


def _quantised(values: Array, tensor: Tensor, kind: np.dtype[Any]) -> Array:
    if not tensor.scale:
        return values
    limits = np.iinfo(kind)
    return np.clip(np.rint(values / tensor.scale + tensor.zero_point), limits.min, limits.max)


def _value(interpreter: Any, tensor: Tensor) -> Array:
    values: Array = interpreter.get_tensor(tensor.index)
    return (values.astype(np.float64) - tensor.zero_point) * tensor.scale if tensor.scale else values


def _inputs(head: Graph) -> Iterable[tuple[Array, ...]]:
    """Random inputs over the range that the quantised network was made for: noise, coarse along the first side of an image."""
    generator = np.random.default_rng(0)
    fewest = min(math.prod(head.tensors[index].shape) for index in head.outputs.values())
    for _ in range(min(10, max(SAMPLES, math.ceil(ENOUGH_VALUES / max(fewest, 1))))):
        yield tuple(_noise(head, index, generator) for index in head.inputs.values())


def _noise(head: Graph, index: int, generator: np.random.Generator) -> Array:
    tensor = head.tensors[index]
    if "INT" in tensor.type_name and not tensor.scale:
        return generator.integers(0, 2, tensor.shape)
    low, high = _range(head, tensor)
    grain = np.asarray(generator.random(tensor.shape))
    if len(tensor.shape) == 4:
        rows = generator.random(tensor.shape[1] // 8 + 1).repeat(8)[: tensor.shape[1]]
        grain = (grain + rows[:, None, None]) / 2
    return low + (high - low) * grain


def _range(head: Graph, tensor: Tensor) -> tuple[float, float]:
    """What the input's own quantisation can express, or that of the QUANTIZE which reads it; else 0 to 1."""
    readers = [
        head.tensors[operator.outputs[0]]
        for operator in head.operators
        if operator.name == "QUANTIZE" and tensor.index in operator.inputs
    ]
    for known in (tensor, *readers):
        if known.scale and known.type_name in ("INT8", "UINT8"):
            lowest = -128 if known.type_name == "INT8" else 0
            return (lowest - known.zero_point) * known.scale, (lowest + 255 - known.zero_point) * known.scale
    return 0.0, 1.0
