"""Networks to serve, drawn here: convolutions and pooling as in VGG (arXiv 1409.1556), random weights, a boundary of 602 KB."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from models.bundle import Bundle
from models.cutting.plain import make_bundle
from models.network.tflite import AlignedBuffer, pack

CUT = 1
"""Behind the first convolution."""

_SIDE, _CLASSES = 224, 10
_SEED = 7


@dataclass(frozen=True)
class Drawn:
    """A network: the first convolution takes patches of `stride` and gives `boundary_channels`, then each block its channels."""

    name: str
    stride: int
    boundary_channels: int
    blocks: tuple[tuple[int, ...], ...]

    def make(self, folder: Path) -> Bundle:
        """The bundle, with heads and tails for its one cut inside."""
        file = folder / f"{self.name}.tflite"
        file.write_bytes(_drawn(self))
        return make_bundle(file, folder / self.name, name=self.name, cuts=(CUT,))


LIGHT = Drawn("bench-vgg", 4, 48, ((96,), (192, 192), (384, 384)))
"""56 x 56 x 48 values in FP32 cross; a tail of 0.9 G multiply-accumulates."""

HEAVY = Drawn("bench-vgg16", 8, 192, ((512, 512, 512), (512, 512, 512)))
"""28 x 28 x 192 values in FP32 cross; what follows are VGG16's last two blocks, 5.8 G multiply-accumulates."""


class _Drawing:
    """A flatbuffer under construction; `last` is the tensor that was made last."""

    def __init__(self, name: str, shape: list[int]) -> None:
        self._name = name
        self._random = np.random.default_rng(_SEED)
        self._buffers = [AlignedBuffer(None)]
        self._tensors: list[Any] = []
        self._codes: list[Any] = []
        self._operators: list[Any] = []
        self.last = self._tensor("image", shape)

    @property
    def _shape(self) -> list[int]:
        return [int(side) for side in self._tensors[self.last].shape]

    def convolve(self, channels: int, *, side: int = 3, stride: int = 1) -> None:
        batch, height, width, before = self._shape
        scale = np.sqrt(2 / (side * side * before))
        weights = self._constant(self._random.normal(0, scale, (channels, side, side, before)))
        bias = self._constant(np.zeros(channels))
        options = schema.Conv2DOptionsT(
            padding=schema.Padding.SAME,
            strideW=stride,
            strideH=stride,
            dilationWFactor=1,
            dilationHFactor=1,
            fusedActivationFunction=schema.ActivationFunctionType.RELU,
        )
        shape = [batch, height // stride, width // stride, channels]
        self._add("CONV_2D", [self.last, weights, bias], shape, options)

    def pool(self, side: int = 2) -> None:
        batch, height, width, channels = self._shape
        options = schema.Pool2DOptionsT(
            padding=schema.Padding.VALID, strideW=side, strideH=side, filterWidth=side, filterHeight=side
        )
        self._add("MAX_POOL_2D", [self.last], [batch, height // side, width // side, channels], options)

    def classify(self, classes: int) -> None:
        batch, *sides = self._shape
        size = int(np.prod(sides))
        weights = self._constant(self._random.normal(0, size**-0.5, (classes, size)))
        bias = self._constant(np.zeros(classes))
        self._add("FULLY_CONNECTED", [self.last, weights, bias], [batch, classes], schema.FullyConnectedOptionsT())

    def packed(self) -> bytes:
        graph = schema.SubGraphT(
            tensors=self._tensors, inputs=[0], outputs=[self.last], operators=self._operators, name="main"
        )
        return pack(
            schema.ModelT(
                version=3, operatorCodes=self._codes, subgraphs=[graph], buffers=self._buffers, description=self._name
            )
        )

    def _add(self, operator: str, inputs: list[int], shape: list[int], options: Any) -> None:
        code = getattr(schema.BuiltinOperator, operator)
        self._codes.append(schema.OperatorCodeT(min(code, 127), None, version=1, builtinCode=code))
        self.last = self._tensor(f"{operator.lower()}_{len(self._operators)}", shape)
        entry = schema.OperatorT(opcodeIndex=len(self._codes) - 1, inputs=inputs, outputs=[self.last])
        entry.builtinOptions = options
        entry.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self._operators.append(entry)

    def _tensor(self, name: str, shape: list[int], buffer: int = 0) -> int:
        self._tensors.append(schema.TensorT(shape=shape, type=schema.TensorType.FLOAT32, buffer=buffer, name=name))
        return len(self._tensors) - 1

    def _constant(self, values: Any) -> int:
        data = np.asarray(values, np.float32)
        self._buffers.append(AlignedBuffer(np.frombuffer(data.tobytes(), np.uint8)))
        return self._tensor(f"constant_{len(self._tensors)}", list(data.shape), len(self._buffers) - 1)


def _drawn(network: Drawn) -> bytes:
    drawing = _Drawing(network.name, [1, _SIDE, _SIDE, 3])
    drawing.convolve(network.boundary_channels, side=network.stride, stride=network.stride)
    for block in network.blocks:
        for channels in block:
            drawing.convolve(channels)
        drawing.pool()
    drawing.classify(_CLASSES)
    return drawing.packed()
