"""Where the runtime keeps an operator's results: in memory planned before a run, or somewhere it decides on later.

`CompiledModel` (LiteRT 2.3) binds its caller's buffers to a signature's outputs before the run. It hands out garbage, or fails at
the second run, where the runtime allocates such a tensor anew meanwhile (a loop's result, SEGMENT_SUM) or computes it while it
prepares (SHAPE of a tensor whose shape depends on the data, and what follows from it alone).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from models.network.data_shapes import SHAPE_INPUTS
from models.network.operator_work import Tensor
from models.network.operators import SHAPE_READERS, Operator

PLANNED = frozenset(
    {
        "ABS",
        "ADD",
        "ADD_N",
        "ARG_MAX",
        "ARG_MIN",
        "ATAN2",
        "AVERAGE_POOL_2D",
        "BATCH_MATMUL",
        "BATCH_TO_SPACE_ND",
        "BROADCAST_TO",
        "CAST",
        "CEIL",
        "CONCATENATION",
        "CONV_2D",
        "CONV_3D",
        "COS",
        "CUMSUM",
        "DEPTHWISE_CONV_2D",
        "DEPTH_TO_SPACE",
        "DEQUANTIZE",
        "DIV",
        "ELU",
        "EMBEDDING_LOOKUP",
        "EQUAL",
        "EXP",
        "EXPAND_DIMS",
        "FLOOR",
        "FLOOR_DIV",
        "FLOOR_MOD",
        "FULLY_CONNECTED",
        "GATHER",
        "GATHER_ND",
        "GELU",
        "GREATER",
        "GREATER_EQUAL",
        "HARD_SWISH",
        "L2_NORMALIZATION",
        "L2_POOL_2D",
        "LEAKY_RELU",
        "LESS",
        "LESS_EQUAL",
        "LOCAL_RESPONSE_NORMALIZATION",
        "LOG",
        "LOGICAL_AND",
        "LOGICAL_NOT",
        "LOGICAL_OR",
        "LOGISTIC",
        "LOG_SOFTMAX",
        "MAXIMUM",
        "MAX_POOL_2D",
        "MEAN",
        "MINIMUM",
        "MIRROR_PAD",
        "MUL",
        "NEG",
        "NOT_EQUAL",
        "PACK",
        "PAD",
        "PADV2",
        "POW",
        "PRELU",
        "QUANTIZE",
        "REDUCE_ALL",
        "REDUCE_ANY",
        "REDUCE_MAX",
        "REDUCE_MIN",
        "REDUCE_PROD",
        "RELU",
        "RELU6",
        "RELU_0_TO_1",
        "RELU_N1_TO_1",
        "RESHAPE",
        "RESIZE_BILINEAR",
        "RESIZE_NEAREST_NEIGHBOR",
        "REVERSE_V2",
        "ROUND",
        "RSQRT",
        "SELECT",
        "SELECT_V2",
        "SIGN",
        "SIN",
        "SLICE",
        "SOFTMAX",
        "SPACE_TO_BATCH_ND",
        "SPACE_TO_DEPTH",
        "SPLIT",
        "SPLIT_V",
        "SQRT",
        "SQUARE",
        "SQUARED_DIFFERENCE",
        "SQUEEZE",
        "STRIDED_SLICE",
        "SUB",
        "SUM",
        "TANH",
        "TILE",
        "TRANSPOSE",
        "TRANSPOSE_CONV",
        "UNPACK",
        "ZEROS_LIKE",
    }
)
"""Operators whose results lie in planned memory as soon as the inputs that decide over their shape are constants."""


def planned_later(operators: Iterable[Operator], tensors: Sequence[Tensor]) -> frozenset[int]:
    """Tensors that may be allocated, or of which the shape may be learnt, only while the network runs."""
    return frozenset(index for operator in operators if not is_planned(operator, tensors) for index in operator.outputs)


def computed_early(operators: Iterable[Operator], tensors: Sequence[Tensor]) -> frozenset[int]:
    """Tensors that may be computed while their operator is prepared, since they tell of shapes and constants alone."""
    fixed = {tensor.index for tensor in tensors if tensor.constant}
    early: set[int] = set()
    for operator in operators:
        if operator.derived:
            fixed |= set(operator.outputs)
        elif operator.name in SHAPE_READERS or (early and early.union(fixed).issuperset(operator.inputs)):
            early |= set(operator.outputs)
    return frozenset(early)


def is_planned(operator: Operator, tensors: Sequence[Tensor]) -> bool:
    """Whether this operator's results lie in planned memory for certain; those of a derived one never leave a part."""
    if operator.derived:
        return True
    deciding = [operator.slots[place] for place in SHAPE_INPUTS.get(operator.name, ()) if place < len(operator.slots)]
    return operator.name in PLANNED and all(tensors[source].constant for source in deciding if source >= 0)
