"""Tensors on the wire: their specification, and the codecs of a boundary.

Element types follow the Open Inference Protocol (`FP32`, `INT8`, …); binary data is little-endian, row-major.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as default
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from protocol.configuration import Codec
from protocol.documents import checked, field
from protocol.errors import InvalidInput

Array = npt.NDArray[Any]

DATATYPES: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
"""The protocol's element types with a fixed size; BYTES is refused, since networks here take numbers."""

_NAMES = {dtype: name for name, dtype in DATATYPES.items()}


def datatype_of(dtype: npt.DTypeLike) -> str:
    """The protocol's name of a numpy dtype; InvalidInput where it has none."""
    if isinstance(dtype, np.dtype) and (name := _NAMES.get(dtype)):
        return name
    try:
        return _NAMES[np.dtype(dtype).newbyteorder("<")]
    except KeyError as error:
        raise InvalidInput(f"dtype {np.dtype(dtype)} cannot travel; use one of {', '.join(DATATYPES)}") from error


def dtype_of(datatype: str) -> np.dtype[Any]:
    """The numpy dtype of a protocol name; InvalidInput where it is unknown."""
    try:
        return DATATYPES[datatype]
    except KeyError as error:
        raise InvalidInput(f"datatype {datatype!r:.40} is not one of {', '.join(DATATYPES)}") from error


@dataclass(frozen=True)
class TensorSpec:
    """A tensor's name, protocol datatype, fixed shape, and per-tensor affine quantisation (scale 0: not quantised)."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    scale: float = 0.0
    zero_point: int = 0

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        return dtype_of(self.datatype)

    @cached_property
    def elements(self) -> int:
        return math.prod(self.shape)

    @cached_property
    def nbytes(self) -> int:
        return self.elements * self.dtype.itemsize

    def check(self, array: Array) -> None:
        """InvalidInput unless the array has just this dtype and shape."""
        if array.dtype != self.dtype or array.shape != self.shape:
            got = f"{datatype_of(array.dtype)} {list(array.shape)}"
            raise InvalidInput(f"tensor '{self.name}' must be {self.datatype} {list(self.shape)}, not {got}")

    def to_json(self) -> dict[str, Any]:
        content: dict[str, Any] = {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}
        if self.scale:
            content |= {"scale": self.scale, "zero_point": self.zero_point}
        return content

    @classmethod
    def from_json(cls, content: object, *, what: str = "tensor") -> TensorSpec:
        if not isinstance(content, Mapping):
            raise InvalidInput(f"{what} must be an object with name, datatype and shape")
        datatype = field(content, "datatype", str, what=what)
        dtype_of(datatype)
        shape = field(content, "shape", list, what=what)
        return cls(
            name=field(content, "name", str, what=what),
            datatype=datatype,
            shape=tuple(checked(side, int, what=f"{what}: shape") for side in shape),
            scale=field({"scale": 0.0, **content}, "scale", float, what=what),
            zero_point=field({"zero_point": 0, **content}, "zero_point", int, what=what),
        )


@dataclass(frozen=True)
class Tensor:
    """A named array as it travels, with the parameters that go beside it (such as `scale` and `zero_point`)."""

    name: str
    array: Array
    parameters: Mapping[str, Any] = default(default_factory=dict)

    @property
    def datatype(self) -> str:
        return datatype_of(self.array.dtype)


def encode(array: Array, spec: TensorSpec, codec: Codec) -> Tensor:
    """A boundary tensor as the codec sends it. Only FP32 is changed by `fp16` and `int8`; other types travel as they are.

    zstd is applied to the whole body, not here. A tensor that is INT8 in the network carries the network's own scale.
    """
    spec.check(array)
    if spec.datatype != "FP32" or codec.element == "raw":
        return Tensor(spec.name, array, _quantisation(spec.scale, spec.zero_point) if spec.scale else {})
    if codec.element == "fp16":
        limit = np.finfo(np.float16).max
        return Tensor(spec.name, np.clip(array, -limit, limit).astype(np.float16))
    return _to_int8(array, spec.name)


def decode(tensor: Tensor, spec: TensorSpec, codec: Codec) -> Array:
    """The boundary tensor that `spec` asks for, from what the codec sent; InvalidInput where the two do not match."""
    if tensor.array.shape != spec.shape:
        raise InvalidInput(f"tensor '{spec.name}' must have shape {list(spec.shape)}, not {list(tensor.array.shape)}")
    expected = _wire_datatype(spec, codec)
    if tensor.datatype != expected:
        raise InvalidInput(f"tensor '{spec.name}' must be {expected} with codec {codec}, not {tensor.datatype}")
    if expected == spec.datatype:
        _check_quantisation(tensor, spec)
        return tensor.array
    if expected == "FP16":
        return tensor.array.astype(np.float32)
    scale = field(tensor.parameters, "scale", float, what=f"tensor '{spec.name}'")
    zero_point = field(tensor.parameters, "zero_point", int, what=f"tensor '{spec.name}'")
    if not 0 < scale < np.finfo(np.float32).max or not -128 <= zero_point <= 127:
        raise InvalidInput(
            f"tensor '{spec.name}': scale must be above 0 and zero_point within INT8, not {scale}, {zero_point}"
        )
    return (tensor.array.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)


def _wire_datatype(spec: TensorSpec, codec: Codec) -> str:
    if spec.datatype != "FP32":
        return spec.datatype
    return {"raw": "FP32", "fp16": "FP16", "int8": "INT8"}[codec.element]


def _to_int8(array: Array, name: str) -> Tensor:
    """Affine quantisation over the tensor's own range, widened to hold zero so that zero stays exact."""
    low, high = min(float(array.min()), 0.0), max(float(array.max()), 0.0)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InvalidInput(f"tensor '{name}' holds NaN or infinity; codec int8 cannot carry it, use raw")
    scale = max((high - low) / 255.0, float(np.finfo(np.float32).tiny))
    zero_point = int(np.clip(np.rint(-128 - low / scale), -128, 127))
    scaled = np.multiply(array, np.float32(1.0 / scale), dtype=np.float32)
    np.rint(scaled, out=scaled)
    scaled += np.float32(zero_point)
    np.clip(scaled, -128, 127, out=scaled)
    return Tensor(name, scaled.astype(np.int8), _quantisation(scale, zero_point))


def _quantisation(scale: float, zero_point: int) -> dict[str, Any]:
    return {"scale": scale, "zero_point": zero_point}


def _check_quantisation(tensor: Tensor, spec: TensorSpec) -> None:
    """A boundary that is INT8 in the network must have the manifest's scale: another one would silently shift the answer."""
    if not spec.scale or "scale" not in tensor.parameters:
        return
    sent = (tensor.parameters.get("scale"), tensor.parameters.get("zero_point"))
    if sent != (spec.scale, spec.zero_point):
        raise InvalidInput(
            f"tensor '{spec.name}' has scale {sent[0]}, zero point {sent[1]}; the bundle says {spec.scale}, {spec.zero_point}"
        )
