"""What one operator costs: multiply-accumulates by kind and dtype, and the bytes it moves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from protocol.work import Work

_BITS = {
    "INT4": 4,
    "UINT4": 4,
    "INT2": 2,
    "BOOL": 8,
    "INT8": 8,
    "UINT8": 8,
    "FLOAT8_E4M3FN": 8,
    "FLOAT8_E5M2": 8,
    "INT16": 16,
    "UINT16": 16,
    "FLOAT16": 16,
    "BFLOAT16": 16,
    "INT32": 32,
    "UINT32": 32,
    "FLOAT32": 32,
    "INT64": 64,
    "UINT64": 64,
    "FLOAT64": 64,
    "COMPLEX64": 64,
    "COMPLEX128": 128,
}


@dataclass(frozen=True)
class Tensor:
    """A tensor of the graph. `type_name` is the schema's, such as FLOAT32; `constant`: its value is in the file.

    `is_open`: the converter left a side of its shape open, such as the batch.
    """

    index: int
    name: str
    type_name: str
    shape: tuple[int, ...]
    constant: bool = False
    scale: float = 0.0
    zero_point: int = 0
    is_open: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of a dense tensor; 0 for strings and handles."""
        return (math.prod(self.shape) * _BITS.get(self.type_name, 0) + 7) // 8


def work_of(operator: str, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor], fixed: Sequence[bool]) -> Work:
    """The work of one operator. `fixed` says which inputs are weights: constants, or computed from constants alone.

    Operators without multiply-accumulates (pooling, additions, copies) count by the bytes they move. What a WHILE or IF
    calls is not looked into here.
    """
    weights = sum(tensor.nbytes for tensor, still in zip(inputs, fixed, strict=True) if tensor is not None and still)
    moving = [tensor for tensor, still in zip(inputs, fixed, strict=True) if tensor is not None and not still]
    activations = sum(tensor.nbytes for tensor in (*moving, *outputs))
    kind, count = _macs(operator, inputs, outputs)
    element = next((tensor.type_name.lower() for tensor in moving), "float32")
    macs = {f"{kind}/{element}": count} if count else {}
    return Work(macs=macs, weight_bytes=weights, activation_bytes=activations, operators=1)


def _macs(operator: str, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> tuple[str, int]:
    first, second, third = (*inputs, None, None, None)[:3]
    if first is None or second is None or not outputs:
        return "", 0
    kind, count = "", 0
    produced, weights = math.prod(outputs[0].shape), second.shape
    match operator:
        case "CONV_2D" if len(weights) == 4:
            kind, count = "conv", produced * math.prod(weights[1:])
        case "CONV_3D" if len(weights) == 5:
            kind, count = "conv", produced * math.prod(weights[:4])
        case "TRANSPOSE_CONV" if third is not None and len(weights) == 4:
            kind, count = "conv", math.prod(third.shape) * math.prod(weights[:3])
        case "DEPTHWISE_CONV_2D" if len(weights) == 4:
            kind, count = "depthwise", produced * weights[1] * weights[2]
        case "FULLY_CONNECTED" if weights:
            kind, count = "dense", produced * weights[-1]
        case "BATCH_MATMUL" if len(first.shape) >= 2 and len(outputs[0].shape) >= 2:
            depth = math.prod(first.shape[-2:]) // max(outputs[0].shape[-2], 1)
            kind, count = "matmul", produced * depth
    return kind, count
