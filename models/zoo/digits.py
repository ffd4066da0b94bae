"""How the small digits networks are trained, converted and measured: one way for all of them.

The 1797 digits of scikit-learn (8 x 8, Alpaydin & Kaynak, UCI 1998) are scaled up to 64 x 64, so that a network costs as
much as a small vision network does. The last 20 % of a seeded, stratified shuffle is held out; it is looked at once, after
training, and nothing is chosen by it. The calibration samples of the int8 networks come from the training split.

This needs TensorFlow and scikit-learn (`pip install scikit-learn==1.9.1` beside `make install-convert`); only the scripts
`train_digits_*.py` use it.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from protocol.tensors import Array

SEED = 20241
SIDE = 64
BATCH = 32
SHIFT = 4
"""Pixels by which training images are moved at most."""
CALIBRATION_SAMPLES = 200


@dataclass(frozen=True)
class Digits:
    """Images uint8 [N, 64, 64, 1] with labels int64 [N]; `train` and `test` share none."""

    train_images: Array
    test_images: Array
    train_labels: Array
    test_labels: Array


@dataclass(frozen=True)
class Training:
    """Adam with a cosine decay to zero after 100 steps of warm-up; every epoch is used, none is picked."""

    epochs: int
    peak_learning_rate: float


def load_digits() -> Digits:
    """The digits, split; every random number generator of the process is seeded on the way."""
    import tensorflow as tf
    from sklearn.datasets import load_digits as sklearn_digits
    from sklearn.model_selection import train_test_split
    from tensorflow import keras

    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    digits = sklearn_digits()
    small = digits.images.astype(np.float32)[..., None] * (255.0 / 16.0)
    large = tf.image.resize(small, (SIDE, SIDE), method="bilinear").numpy()
    images, labels = np.clip(np.rint(large), 0, 255).astype(np.uint8), digits.target.astype(np.int64)
    return Digits(*train_test_split(images, labels, test_size=0.2, random_state=SEED, stratify=labels))


def train(build: Callable[[], Any], digits: Digits, training: Training) -> Any:
    """The Keras model of `build`, trained on the training split, moved by up to 4 pixels each time."""
    import tensorflow as tf
    from tensorflow import keras

    steps = training.epochs * (len(digits.train_images) // BATCH)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=training.peak_learning_rate, warmup_steps=100
    )
    model = build()
    model.compile(keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"])

    def shifted(image: Any, label: Any) -> tuple[Any, Any]:
        padded = tf.pad(image, [[SHIFT, SHIFT], [SHIFT, SHIFT], [0, 0]])
        return tf.image.random_crop(padded, (SIDE, SIDE, 1)), label

    data = tf.data.Dataset.from_tensor_slices((_scaled(digits.train_images), digits.train_labels))
    data = data.shuffle(len(digits.train_images), seed=SEED).map(shifted).batch(BATCH, drop_remainder=True)
    model.fit(data, epochs=training.epochs, verbose=2)
    return model


def networks(frozen: Any, digits: Digits) -> dict[str, bytes]:
    """`fp32` and `int8` flatbuffers of a model with batch 1; int8 throughout, with float32 at both ends."""
    return {
        "fp32": _convert(frozen, None),
        "int8": _convert(frozen, _scaled(digits.train_images[:CALIBRATION_SAMPLES])),
    }


def card(name: str, digits: Digits, training: Training, networks: Mapping[str, bytes]) -> dict[str, Any]:
    """How the networks came to be, and their accuracy on the held-out images."""
    import sklearn
    import tensorflow as tf

    return {
        "network": name,
        "data": f"scikit-learn digits, 8 x 8 scaled to {SIDE} x {SIDE} (bilinear)",
        "split": {"train": len(digits.train_images), "test": len(digits.test_images), "seed": SEED},
        "training": {
            "epochs": training.epochs,
            "batch": BATCH,
            "peak_learning_rate": training.peak_learning_rate,
            "schedule": "cosine to 0",
        },
        "test_accuracy": {kind: round(_accuracy(network, digits), 4) for kind, network in networks.items()},
        "input": {"scale": 1 / 255.0, "offset": 0.0, "layout": "NHWC"},
        "labels": [str(digit) for digit in range(10)],
        "made_with": {
            "tensorflow": tf.__version__,
            "scikit-learn": sklearn.__version__,
            "python": platform.python_version(),
        },
    }


def write(folder: Path, networks: Mapping[str, bytes], card: Mapping[str, Any]) -> None:
    """`fp32.tflite`, `int8.tflite` and `card.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, network in networks.items():
        (folder / f"{kind}.tflite").write_bytes(network)
    (folder / "card.json").write_text(json.dumps(card, indent=2) + "\n")


def _scaled(images: Array) -> Array:
    return images.astype(np.float32) / 255.0


def _convert(model: Any, calibration: Array | None) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if calibration is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[None]] for image in calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return bytes(converter.convert())


def _accuracy(network: bytes, digits: Digits) -> float:
    """Top-1, one image at a time, as the network will be used."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=network)
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    right = 0
    for image, label in zip(_scaled(digits.test_images), digits.test_labels, strict=True):
        interpreter.set_tensor(source, image[None])
        interpreter.invoke()
        right += int(np.argmax(interpreter.get_tensor(sink)[0]) == label)
    return right / len(digits.test_labels)
