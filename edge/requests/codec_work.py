"""What encoding a boundary costs the device, in the words of `Work`."""

from __future__ import annotations

from collections.abc import Sequence

from protocol.configuration import Codec
from protocol.tensors import TensorSpec
from protocol.work import Work

_BYTES_PER_FP32 = {"raw": 4, "fp16": 2, "int8": 1}


def encoding_work(boundary: Sequence[TensorSpec], codec: Codec) -> Work:
    """The bytes that encoding reads and writes.

    Encoding is bound by memory: it multiplies next to nothing, but streams the boundary through the processor. Each
    tensor is read once and written once as the codec's element (only FP32 changes its size); zstd then reads that and
    writes at most as much again. The bound is taken, since a board must be told before the sizes are known.
    """
    read = sum(spec.nbytes for spec in boundary)
    written = sum(encoded_bytes(spec, codec) for spec in boundary)
    return Work(activation_bytes=read + written + (2 * written if codec.compressed else 0))


def encoded_bytes(spec: TensorSpec, codec: Codec) -> int:
    """What a tensor takes as the codec's element, before zstd."""
    return spec.elements * _BYTES_PER_FP32[codec.element] if spec.datatype == "FP32" else spec.nbytes
