"""Vision transformers (Dosovitskiy et al., 2021, arXiv 2010.11929), built in Keras here: pre-norm blocks, class token, GELU.

Built so that they convert to TFLite's builtin operators alone and are good to cut: one tensor crosses after every `…_add` layer,
and attention needs no more than 4 dimensions. Everything works with a batch of 1 as with any other.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from protocol.errors import InvalidInput

EPSILON = 1e-6
"""Of all layer normalisations, as in Google's code."""


@dataclass(frozen=True)
class VisionTransformer:
    """Sizes: an image of `side` x `side` pixels in patches of `patch` x `patch`; tokens of `width`, seen by `heads` heads.

    InvalidInput where they do not fit: the patches must tile the image and the heads the width.
    """

    side: int
    patch: int
    width: int
    depth: int
    heads: int
    mlp: int
    classes: int
    channels: int = 3

    def __post_init__(self) -> None:
        if self.side % self.patch or self.width % self.heads:
            raise InvalidInput(
                f"patches of {self.patch} must tile {self.side} pixels, and {self.heads} heads a width of {self.width}"
            )

    @property
    def patches(self) -> int:
        """How many there are; one token more than that runs through the blocks."""
        return (self.side // self.patch) ** 2


VIT_B16 = VisionTransformer(side=224, patch=16, width=768, depth=12, heads=12, mlp=3072, classes=1000)
"""ViT-B/16, table 1 of the paper."""


def build(config: VisionTransformer, *, name: str, batch: int | None = 1) -> Any:
    """A `keras.Model` with fresh weights: float32 [batch, side, side, channels] to probabilities [batch, classes].

    Block i, counted from 1, ends in the layer `block<i>_mlp_add`; its attention in `block<i>_attention_add`.
    """
    from keras import Input, Model, layers

    inputs = Input((config.side, config.side, config.channels), batch_size=batch, name="image")
    x = layers.Conv2D(config.width, config.patch, strides=config.patch, padding="valid", name="embedding")(inputs)
    x = layers.Reshape((config.patches, config.width), name="patches")(x)
    x = _layers().Positions(name="positions")(_layers().ClassToken(name="class_token")(x))
    for number in range(1, config.depth + 1):
        x = _block(config, x, f"block{number}")
    # The class token alone is used from here on: to take it first saves the normalisation of all the others.
    x = _layers().Normalization(name="norm")(_layers().FirstToken(name="first_token")(x))
    outputs = layers.Dense(config.classes, activation="softmax", name="predictions")(x)
    return Model(inputs, outputs, name=name)


def _block(config: VisionTransformer, x: Any, name: str) -> Any:
    from keras import activations, layers

    y = _layers().Normalization(name=f"{name}_attention_norm")(x)
    query, key, value = (layers.Dense(config.width, name=f"{name}_{part}")(y) for part in ("query", "key", "value"))
    y = _layers().Attention(config.heads, name=f"{name}_attention")([query, key, value])
    y = layers.Dense(config.width, name=f"{name}_attention_out")(y)
    x = layers.Add(name=f"{name}_attention_add")([x, y])
    y = _layers().Normalization(name=f"{name}_mlp_norm")(x)
    y = layers.Dense(config.mlp, name=f"{name}_mlp_in")(y)
    # Flax's GELU, with which the published weights were trained, is the one by tanh.
    y = layers.Activation(functools.partial(activations.gelu, approximate=True), name=f"{name}_mlp_gelu")(y)
    y = layers.Dense(config.width, name=f"{name}_mlp_out")(y)
    return layers.Add(name=f"{name}_mlp_add")([x, y])


@dataclass(frozen=True)
class _Layers:
    ClassToken: Any
    Positions: Any
    FirstToken: Any
    Normalization: Any
    Attention: Any


@functools.cache
def _layers() -> _Layers:
    """The Keras layers that Keras lacks; made at the first use, since their base class comes with TensorFlow."""
    import keras
    from keras import ops

    class ClassToken(keras.layers.Layer):  # type: ignore[misc]
        """Puts one learned token before the patches: [N, P, W] to [N, P + 1, W]."""

        def build(self, shape: Any) -> None:
            self.token = self.add_weight(shape=(1, 1, shape[-1]), initializer="zeros", name="token")

        def call(self, x: Any) -> Any:
            # Tiled only where the batch is not known to be 1, so that a converted network holds a mere constant.
            token = self.token if x.shape[0] == 1 else ops.tile(self.token, (ops.shape(x)[0], 1, 1))
            return ops.concatenate([token, x], axis=1)

    class Positions(keras.layers.Layer):  # type: ignore[misc]
        """Adds a learned position to every token."""

        def build(self, shape: Any) -> None:
            start = keras.initializers.RandomNormal(stddev=0.02)
            self.embedding = self.add_weight(shape=(1, *shape[1:]), initializer=start, name="embedding")

        def call(self, x: Any) -> Any:
            return x + self.embedding

    class FirstToken(keras.layers.Layer):  # type: ignore[misc]
        """The class token: [N, P + 1, W] to [N, W]."""

        def call(self, x: Any) -> Any:
            return x[:, 0]

    class Normalization(keras.layers.Layer):  # type: ignore[misc]
        """Layer normalisation (Ba et al., 2016) of the last axis, centred first.

        Keras's own folds mean and scale into one offset; its converted form needs two operators more, and its int8 form
        rounds the offset before it is subtracted.
        """

        def build(self, shape: Any) -> None:
            self.gamma = self.add_weight(shape=shape[-1:], initializer="ones", name="gamma")
            self.beta = self.add_weight(shape=shape[-1:], initializer="zeros", name="beta")

        def call(self, x: Any) -> Any:
            centred = x - ops.mean(x, axis=-1, keepdims=True)
            variance = ops.mean(centred * centred, axis=-1, keepdims=True)
            return centred * ops.rsqrt(variance + EPSILON) * self.gamma + self.beta

    class Attention(keras.layers.Layer):  # type: ignore[misc]
        """softmax(Q K^T / sqrt(width of a head)) V for each head; three times [N, T, W] to [N, T, W]."""

        def __init__(self, heads: int, **others: Any) -> None:
            super().__init__(**others)
            self.heads = heads

        def call(self, parts: Any) -> Any:
            batch, tokens, width = parts[0].shape
            split = (batch or -1, tokens, self.heads, width // self.heads)
            query, key, value = (ops.transpose(ops.reshape(part, split), (0, 2, 1, 3)) for part in parts)
            query = query * (width // self.heads) ** -0.5
            weights = ops.softmax(ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))))
            mixed = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))
            return ops.reshape(mixed, (batch or -1, tokens, width))

    return _Layers(ClassToken, Positions, FirstToken, Normalization, Attention)
