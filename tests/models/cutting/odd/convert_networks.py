"""Converts small networks with TensorFlow into the folder that is given: python convert_networks.py FOLDER."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")

import keras
import numpy as np
import tensorflow as tf

layers = keras.layers
Converter = tf.lite.TFLiteConverter
FLOATS = tf.TensorSpec((1, 8), tf.float32)


def from_keras(make: Callable[[Any], Any], *shape: int, batch: int | None = None, **settings: Any) -> Any:
    source = keras.Input(shape, batch_size=batch)
    return _set(Converter.from_keras_model(keras.Model(source, make(source))), settings)


def from_function(function: Callable[..., Any], *specs: Any, owner: Any = None, **settings: Any) -> Any:
    concrete = tf.function(function).get_concrete_function(*(specs or (FLOATS,)))
    return _set(Converter.from_concrete_functions([concrete], owner or tf.Module()), settings)


def _set(converter: Any, settings: dict[str, Any]) -> Any:
    for name, value in settings.items():
        setattr(converter, name, value)
    return converter


def residual(image: Any) -> Any:
    stem = layers.Conv2D(8, 3, padding="same", activation="relu", name="stem")(image)
    inner = layers.BatchNormalization(name="norm")(layers.Conv2D(8, 3, padding="same", name="inner")(stem))
    joined = layers.ReLU(name="joined")(layers.Add(name="add")([stem, inner]))
    pooled = layers.GlobalAveragePooling2D(name="pool")(joined)
    return layers.Dense(10, activation="softmax", name="predictions")(pooled)


def images() -> Iterator[list[Any]]:
    generator = np.random.default_rng(0)
    for _ in range(8):
        yield [generator.random((1, 16, 16, 3), np.float32)]


def quantised(*operators: Any) -> dict[str, Any]:
    return {
        "optimizations": [tf.lite.Optimize.DEFAULT],
        "representative_dataset": images,
        "target_spec": tf.lite.TargetSpec(supported_ops=list(operators)),
    }


def looping(x: Any) -> Any:
    _, grown = tf.while_loop(
        lambda _, grown: tf.reduce_sum(grown) < 100.0,
        lambda count, grown: (count + 1, grown * 1.5 + 1.0),
        [tf.constant(0), tf.nn.relu(x)],
    )
    return grown * 2.0


def branching(x: Any) -> Any:
    positive = tf.nn.relu(x)
    return tf.cond(tf.reduce_sum(positive) > 2.0, lambda: positive * 2.0, lambda: tf.tanh(positive) - 1.0) + 1.0


def selected(x: Any) -> Any:
    positive = tf.nn.relu(x)
    return tf.gather_nd(positive * 2.0, tf.where(positive > 0.5))


class Counting(tf.Module):
    def __init__(self) -> None:
        self.sum = tf.Variable(tf.zeros((1, 8)))

    def __call__(self, x: Any) -> Any:
        return self.sum.assign_add(x) * 2.0


class Looking(tf.Module):
    def __init__(self) -> None:
        words = tf.lookup.KeyValueTensorInitializer(tf.constant(["a", "b"]), tf.constant([1, 2], tf.int64))
        self.table = tf.lookup.StaticHashTable(words, -1)

    def __call__(self, words: Any) -> Any:
        return self.table.lookup(words) + 1


def networks() -> dict[str, Callable[[], Any]]:
    ops, counting, looking = tf.lite.OpsSet, Counting(), Looking()
    half = {
        "optimizations": [tf.lite.Optimize.DEFAULT],
        "target_spec": tf.lite.TargetSpec(supported_types=[tf.float16]),
    }
    flex = tf.lite.TargetSpec(supported_ops=[ops.TFLITE_BUILTINS, ops.SELECT_TF_OPS])
    wide = ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    return {
        "residual": lambda: from_keras(residual, 16, 16, 3),
        "residual_fp16": lambda: from_keras(residual, 16, 16, 3, **half),
        "residual_int8": lambda: from_keras(residual, 16, 16, 3, **quantised(ops.TFLITE_BUILTINS_INT8)),
        "residual_int16": lambda: from_keras(residual, 16, 16, 3, **quantised(wide)),
        "lstm": lambda: from_keras(lambda x: layers.Dense(3)(layers.LSTM(5)(x)), 6, 4, batch=1),
        "lstm_sequence": lambda: from_keras(
            lambda x: layers.Dense(3)(layers.LSTM(5, return_sequences=True)(x)), 6, 4, batch=1
        ),
        "gru": lambda: from_keras(lambda x: layers.Dense(3)(layers.GRU(5)(x)), 6, 4, batch=1),
        "attention": lambda: from_keras(lambda x: x + layers.MultiHeadAttention(2, 4)(x, x), 5, 8),
        "loop": lambda: from_function(looping),
        "branch": lambda: from_function(branching),
        "sum_of_selected": lambda: from_function(lambda x: tf.reduce_sum(selected(x)) * tf.nn.relu(x)),
        "reshaped": lambda: from_function(
            lambda x: tf.reshape(tf.nn.relu(x), (tf.shape(x)[0], -1)) @ tf.ones((16, 3)),
            tf.TensorSpec((None, 4, 4), tf.float32),
        ),
        "selected": lambda: from_function(selected),
        "variables": lambda: from_function(counting, owner=counting, experimental_enable_resource_variables=True),
        "flex": lambda: from_function(
            lambda x: tf.linalg.det(tf.nn.relu(x)), tf.TensorSpec((1, 3, 3), tf.float32), target_spec=flex
        ),
        "words": lambda: from_function(looking, tf.TensorSpec((3,), tf.string), owner=looking),
    }


if __name__ == "__main__":
    keras.utils.set_random_seed(1)
    for name, make in networks().items():
        (Path(sys.argv[1]) / f"{name}.tflite").write_bytes(make().convert())
