"""Networks that leave their batch open run at 1: the runtime is asked which shapes that gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.network import tflite
from models.network.trial import shapes_at_batch_1
from protocol.errors import InvalidInput


def is_open(model: Any) -> bool:
    """Whether the main graph leaves any side of any tensor open."""
    return any(
        side < 0
        for tensor in model.subgraphs[0].tensors or []
        for side in (*tflite.numbers(tensor.shape), *tflite.numbers(tensor.shapeSignature))
    )


def close_batch(model: Any, path: Path) -> str:
    """Writes the shapes at batch 1 into the model's tensors; why the runtime knows none, or ''.

    What converters write beside an open side is 1 in every place, also where the batch was multiplied with something.
    """
    tensors = model.subgraphs[0].tensors
    try:
        shapes = shapes_at_batch_1(path)
        unusable = ""
    except InvalidInput as error:
        shapes, unusable = [], str(error).removeprefix(f"{path} ")
    for place, tensor in enumerate(tensors):
        known = shapes[place] if place < len(shapes) else None
        if known is not None and tflite.data_of(model.buffers[tensor.buffer]) is None:
            tensor.shape = known
        elif any(side < 0 for side in tflite.numbers(tensor.shape)):
            tensor.shape = [1 if side < 0 else side for side in tflite.numbers(tensor.shape)]
    return unusable
