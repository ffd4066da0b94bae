"""Tensors whose shape depends on the data: no boundary can be one, since a boundary's shape is fixed.

Which inputs of an operator decide over its result's shape is told in tensorflow/lite/kernels: where such an input is no
constant, `Prepare` calls `SetTensorToDynamic`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from models.network.operator_work import Tensor

_REDUCTIONS = ("SUM", "MEAN", "REDUCE_PROD", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_ANY", "REDUCE_ALL")

SHAPE_INPUTS: Mapping[str, tuple[int, ...]] = {
    "RESHAPE": (1,),
    "FILL": (0,),
    "RANGE": (0, 1, 2),
    "TILE": (1,),
    "PAD": (1,),
    "PADV2": (1,),
    "MIRROR_PAD": (1,),
    "SLICE": (1, 2),
    "STRIDED_SLICE": (1, 2, 3),
    "BROADCAST_TO": (1,),
    "RESIZE_BILINEAR": (1,),
    "RESIZE_NEAREST_NEIGHBOR": (1,),
    "TRANSPOSE_CONV": (0,),
    "CONV_3D_TRANSPOSE": (0,),
    "EXPAND_DIMS": (1,),
    "ONE_HOT": (1,),
    "SPLIT": (0,),
    "SPLIT_V": (1, 2),
    "TRANSPOSE": (1,),
    "TOPK_V2": (1,),
    "SPARSE_TO_DENSE": (1,),
    "SCATTER_ND": (2,),
    "BATCH_TO_SPACE_ND": (1, 2),
    "SPACE_TO_BATCH_ND": (1, 2),
    "ARG_MAX": (1,),
    "ARG_MIN": (1,),
    "SEGMENT_SUM": (1,),
    "UNSORTED_SEGMENT_MAX": (2,),
    "UNSORTED_SEGMENT_MIN": (2,),
    "UNSORTED_SEGMENT_PROD": (2,),
    "UNSORTED_SEGMENT_SUM": (2,),
    "RFFT2D": (1,),
    "NON_MAX_SUPPRESSION_V4": (2,),
    "NON_MAX_SUPPRESSION_V5": (2,),
    **dict.fromkeys(_REDUCTIONS, (1,)),
}
"""By operator: the places of the inputs whose values decide over the result's shape."""

_ALWAYS: Mapping[str, int] = {"WHERE": 1, "UNIQUE": 1}
"""Operators whose first results have as many entries as the data say, and how many such results."""


def shaped_by_data(operator: str, slots: Sequence[int], outputs: Sequence[int], fixed: Collection[int]) -> list[int]:
    """Those of the operator's outputs whose shape it takes from the values of its inputs."""
    if operator in _ALWAYS:
        return list(outputs[: _ALWAYS[operator]])
    deciding = [slots[place] for place in SHAPE_INPUTS.get(operator, ()) if place < len(slots)]
    return list(outputs) if any(source >= 0 and source not in fixed for source in deciding) else []


def stays_loose(output: Tensor, sources: Collection[Tensor]) -> bool:
    """Whether a result is of unknown shape because one of its sources (`sources`) is.

    A converter marks open sides in both; then a result without the mark has a known shape, such as a sum over all.
    """
    if not output.shape:
        return False
    return output.is_open or not all(source.is_open for source in sources)
