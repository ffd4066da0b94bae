"""The work of two networks' heads, from their published architectures."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

import pytest

from protocol.work import Work


def _elementwise(read: int, written: int, *, bytes_each: int, constants: int = 0) -> Work:
    return Work(weight_bytes=constants * bytes_each, activation_bytes=(read + written) * bytes_each, operators=1)


def _heads(layers: Iterable[Work]) -> tuple[Work, ...]:
    """The head after each layer; head 0, after the input layer, has no work."""
    return tuple(accumulate(layers, initial=Work()))


@pytest.fixture(scope="session")
def vgg16_heads() -> tuple[Work, ...]:
    """VGG16 (arXiv 1409.1556, configuration D) in int8 on 224 x 224 x 3, by Keras layer: input, 13 convolutions with 5
    pools among them, flatten, 3 dense."""
    layers, side, channels = [], 224, 3
    for depth, width in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(depth):
            pixels, weights = side * side, 9 * channels * width
            layers.append(Work({"conv/int8": pixels * weights}, weights + 4 * width, pixels * (channels + width), 1))
            channels = width
        layers.append(_elementwise(side * side * channels, side * side * channels // 4, bytes_each=1))
        side //= 2
    layers[0] += Work(activation_bytes=224 * 224 * 3 * (4 + 1), operators=1)  # the image, float32 to int8
    layers.append(_elementwise(7 * 7 * 512, 7 * 7 * 512, bytes_each=1))
    for read, written in ((7 * 7 * 512, 4096), (4096, 4096), (4096, 1000)):
        layers.append(Work({"dense/int8": read * written}, read * written + 4 * written, read + written, 1))
    return _heads(layers)


_TOKENS, _WIDTH, _HEADS, _HIDDEN = 197, 768, 12, 3072
_STREAM, _SCORES = _TOKENS * _WIDTH, _HEADS * _TOKENS * _TOKENS


def _dense(tokens: int, read: int, written: int) -> Work:
    macs, weights = tokens * read * written, (read + 1) * written
    return Work({"dense/float32": macs}, 4 * weights, 4 * tokens * (read + written), 1)


def _float(read: int, written: int, constants: int = 0) -> Work:
    return _elementwise(read, written, bytes_each=4, constants=constants)


def _normalisation() -> Work:
    """Mean, difference, variance, scaling, gain and bias, as TFLite writes it out."""
    one_pass = _float(_STREAM, _TOKENS) + _float(_STREAM + _TOKENS, _STREAM)
    return one_pass + one_pass + _float(_STREAM, _STREAM, _WIDTH) + _float(_STREAM, _STREAM, _WIDTH)


def _attention() -> Work:
    product = Work(
        {"matmul/float32": _SCORES * _WIDTH // _HEADS}, activation_bytes=4 * (2 * _STREAM + _SCORES), operators=1
    )
    projection = _dense(_TOKENS, _WIDTH, _WIDTH) + _float(_STREAM, _STREAM)  # and the split by heads, or its reverse
    scaled = _float(_SCORES, _SCORES)
    softmax = _float(_SCORES, _SCORES)
    return projection + projection + projection + product + scaled + softmax + product + projection


def _block() -> Work:
    residual = _float(2 * _STREAM, _STREAM)
    gelu = _float(_TOKENS * _HIDDEN, _TOKENS * _HIDDEN)
    perceptron = _dense(_TOKENS, _WIDTH, _HIDDEN) + gelu + _dense(_TOKENS, _HIDDEN, _WIDTH)
    return _normalisation() + _attention() + residual + _normalisation() + perceptron + residual


@pytest.fixture(scope="session")
def vit_heads() -> tuple[Work, ...]:
    """ViT-B/16 (arXiv 2010.11929) in float32 on 224 x 224 x 3, by the layers of the published trials: input, patches,
    reshape, class token, positions, 12 blocks, normalisation, class token alone, dense."""
    patches, patch = _TOKENS - 1, 16 * 16 * 3
    embedding = Work(
        {"conv/float32": patches * patch * _WIDTH},
        weight_bytes=4 * (patch + 1) * _WIDTH,
        activation_bytes=4 * (224 * 224 * 3 + patches * _WIDTH),
        operators=1,
    )
    before = [
        embedding,
        _float(patches * _WIDTH, patches * _WIDTH),
        _float(patches * _WIDTH, _STREAM, _WIDTH),
        _float(_STREAM, _STREAM, _STREAM),
    ]
    after = [_normalisation(), _float(_STREAM, _WIDTH), _dense(1, _WIDTH, 1000)]
    return _heads([*before, *(_block() for _ in range(12)), *after])
