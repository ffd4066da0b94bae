"""Does a flatbuffer that can be read also make sense? What the runtime does not check itself, it crashes on."""

from __future__ import annotations

from typing import Any

from models.network import tflite
from models.network.operator_work import Tensor
from models.network.operators import Reader
from protocol.errors import InvalidInput

MOST_BYTES = 1 << 31
"""No tensor of a network is that large; the runtime counts sides with 32 bits."""


def check_sound(model: Any, *, what: str, may_be_open: bool = False) -> None:
    """InvalidInput, naming `what`, for graphs without operators, impossible sizes, and tensors that nothing makes.

    With `may_be_open`, sides of -1 in the main graph are left to be closed.
    """
    if not model.subgraphs[0].operators:
        raise InvalidInput(f"{what} holds no operators")
    tensors_of = Reader(model).tensors
    for number in range(len(model.subgraphs)):
        _check_sizes(model, number, tensors_of(number), what, may_be_open=may_be_open or number > 0)
        _check_order(model, number, tensors_of(number), what)


def _check_sizes(model: Any, number: int, tensors: tuple[Tensor, ...], what: str, *, may_be_open: bool) -> None:
    """Shapes are whole numbers, and a constant's data are as long as its shape says."""
    for tensor in tensors:
        raw = model.subgraphs[number].tensors[tensor.index]
        if isinstance(raw.name, bytes) and raw.name.decode(errors="replace").encode() != raw.name:
            raise InvalidInput(f"{what} is damaged: the name of tensor {tensor.index} is no text")
        if any(side < 0 for side in tensor.shape) and not may_be_open:
            raise InvalidInput(f"{what} is damaged: tensor '{tensor.name}' has shape {list(tensor.shape)}")
        if tensor.nbytes >= MOST_BYTES:
            raise InvalidInput(f"{what} is damaged: tensor '{tensor.name}' of shape {list(tensor.shape)} is too large")
        if tensor.constant and tensor.nbytes and raw.sparsity is None:
            held = len(model.buffers[raw.buffer].data)
            if held < tensor.nbytes:
                raise InvalidInput(
                    f"{what} is damaged: tensor '{tensor.name}' holds {held} bytes, its shape needs {tensor.nbytes}"
                )


def _check_order(model: Any, number: int, tensors: tuple[Tensor, ...], what: str) -> None:
    """Each operator reads what came before it, and makes what nobody made before."""
    subgraph = model.subgraphs[number]
    known = {tensor.index for tensor in tensors if tensor.constant or subgraph.tensors[tensor.index].isVariable}
    known |= {tensor.index for tensor in tensors if not tensor.nbytes and 0 in tensor.shape}
    known |= set(tflite.numbers(subgraph.inputs))
    made: set[int] = set()
    for index, operator in enumerate(subgraph.operators or []):
        place = f"{what}: operator {index}, {tflite.operator_name(model, operator)},"
        outputs = tflite.numbers(operator.outputs)
        for source in tflite.numbers(operator.inputs):
            if source >= 0 and source not in known:
                raise InvalidInput(f"{place} reads '{tensors[source].name}' before it is made")
        for sink in outputs:
            if tensors[sink].constant or sink in made or sink in tflite.numbers(subgraph.inputs):
                raise InvalidInput(f"{place} makes '{tensors[sink].name}', which is there already")
            made.add(sink)
        known |= set(outputs)
    for sink in tflite.numbers(subgraph.outputs):
        if sink not in known:
            raise InvalidInput(f"{what} is damaged: nothing makes the output '{tensors[sink].name}'")
