"""Published weights of vision transformers: Google's `.npz` checkpoints, described in docs/reference/vit_weights.md.

Source of names and shapes: github.com/google-research/vision_transformer, `vit_jax/models_vit.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from models.accuracy.samples import read_arrays
from models.zoo.vision_transformer import VisionTransformer
from protocol.errors import InvalidInput
from protocol.tensors import Array

URL = (
    "https://storage.googleapis.com/vit_models/augreg/B_16-i21k-300ep-lr_0.001-aug_medium1-wd_0.1-do_0.0-sd_0.0"
    "--imagenet2012-steps_20k-lr_0.01-res_224.npz"
)
"""ViT-B/16 at 224 x 224 with 1000 classes (Steiner et al., 2022, arXiv 2106.10270)."""


class Entry(NamedTuple):
    """One array of a checkpoint, and the Keras layer and weight that it becomes."""

    key: str
    shape: tuple[int, ...]
    layer: str
    weight: str


def read_checkpoint(path: Path, config: VisionTransformer) -> Mapping[str, Array]:
    """The arrays of a checkpoint, float32, by key. InvalidInput, naming the first that is missing, surplus or misshapen."""
    arrays = read_arrays(path, what="weights")
    wanted = {entry.key: entry.shape for entry in entries(config)}
    if missing := [key for key in wanted if key not in arrays]:
        raise InvalidInput(f"weights {path}: {_some(missing)} missing; is it a checkpoint of this vision transformer?")
    if surplus := sorted(arrays.keys() - wanted.keys()):
        raise InvalidInput(f"weights {path}: {_some(surplus)} too much; is it a checkpoint of this vision transformer?")
    for key, shape in wanted.items():
        if arrays[key].shape != shape:
            raise InvalidInput(f"weights {path}: '{key}' has shape {list(arrays[key].shape)}, not {list(shape)}")
        if arrays[key].dtype.kind != "f" or not np.isfinite(arrays[key]).all():
            raise InvalidInput(f"weights {path}: '{key}' must hold finite floating-point numbers")
    return {key: arrays[key].astype(np.float32, copy=False) for key in wanted}


def assign(model: Any, arrays: Mapping[str, Array], config: VisionTransformer) -> None:
    """Gives a model of `vision_transformer.build` the weights of a checkpoint; heads are laid side by side."""
    for entry in entries(config):
        variable = getattr(model.get_layer(entry.layer), entry.weight)
        variable.assign(arrays[entry.key].reshape(variable.shape))


def entries(config: VisionTransformer) -> Iterator[Entry]:
    """Every array of a checkpoint of this size."""
    width = config.width
    yield Entry("cls", (1, 1, width), "class_token", "token")
    yield from _pair("embedding", (config.patch, config.patch, config.channels, width), (width,), "embedding")
    yield Entry("Transformer/posembed_input/pos_embedding", (1, config.patches + 1, width), "positions", "embedding")
    for number in range(config.depth):
        yield from _block(config, f"Transformer/encoderblock_{number}", f"block{number + 1}")
    yield from _norm("Transformer/encoder_norm", width, "norm")
    yield from _pair("head", (width, config.classes), (config.classes,), "predictions")


def _block(config: VisionTransformer, key: str, layer: str) -> Iterator[Entry]:
    width, heads, mlp = config.width, config.heads, config.mlp
    one = width // heads
    yield from _norm(f"{key}/LayerNorm_0", width, f"{layer}_attention_norm")
    attention = f"{key}/MultiHeadDotProductAttention_1"
    for part in ("query", "key", "value"):
        yield from _pair(f"{attention}/{part}", (width, heads, one), (heads, one), f"{layer}_{part}")
    yield from _pair(f"{attention}/out", (heads, one, width), (width,), f"{layer}_attention_out")
    yield from _norm(f"{key}/LayerNorm_2", width, f"{layer}_mlp_norm")
    yield from _pair(f"{key}/MlpBlock_3/Dense_0", (width, mlp), (mlp,), f"{layer}_mlp_in")
    yield from _pair(f"{key}/MlpBlock_3/Dense_1", (mlp, width), (width,), f"{layer}_mlp_out")


def _pair(key: str, kernel: tuple[int, ...], bias: tuple[int, ...], layer: str) -> Iterator[Entry]:
    yield Entry(f"{key}/kernel", kernel, layer, "kernel")
    yield Entry(f"{key}/bias", bias, layer, "bias")


def _norm(key: str, width: int, layer: str) -> Iterator[Entry]:
    yield Entry(f"{key}/scale", (width,), layer, "gamma")
    yield Entry(f"{key}/bias", (width,), layer, "beta")


def _some(keys: list[str]) -> str:
    """The first of them, and how many there are."""
    others = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
    return f"'{keys[0]}'{others} {'are' if len(keys) > 1 else 'is'}"
