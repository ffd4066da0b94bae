"""Trains the small VGG-style network that the demo serves, on scikit-learn's digits.

    pip install tensorflow-cpu==2.19.1 scikit-learn==1.9.1
    python models/zoo/train_digits_vgg.py --output models/zoo/digits_vgg

The 1797 digits (8 x 8, Alpaydin & Kaynak, UCI 1998) are scaled up to 64 x 64, so that the network costs as much as a small
vision network does (about 0.28 G multiply-accumulates). The last 20 % of a seeded, stratified shuffle is held out; it
is looked at once, after training, and nothing is chosen by it. The calibration samples of the int8 network come
from the training split. It writes `fp32.tflite`, `int8.tflite`, `test.npz` (images uint8 [N, 64, 64, 1], labels int64 [N])
and `card.json`, which says how they came to be.
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import Any

import numpy as np

SEED = 20241
SIDE = 64
EPOCHS = 18
BATCH = 32
PEAK_LEARNING_RATE = 1e-3
CALIBRATION_SAMPLES = 200


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """The digits as uint8 [1797, 64, 64, 1] and their labels, int64 [1797]."""
    import tensorflow as tf
    from sklearn.datasets import load_digits as sklearn_digits

    digits = sklearn_digits()
    small = digits.images.astype(np.float32)[..., None] * (255.0 / 16.0)
    large = tf.image.resize(small, (SIDE, SIDE), method="bilinear").numpy()
    return np.clip(np.rint(large), 0, 255).astype(np.uint8), digits.target.astype(np.int64)


def build() -> Any:
    """Four blocks of 3 x 3 convolutions, as in VGG (Simonyan & Zisserman, 2015), with batch normalisation that folds away."""
    from tensorflow import keras

    layers = keras.layers
    x = inputs = keras.Input((SIDE, SIDE, 1), batch_size=None, name="image")
    for block, (width, depth) in enumerate([(48, 2), (64, 2), (128, 3), (128, 3)], start=1):
        for number in range(1, depth + 1):
            x = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"block{block}_conv{number}")(x)
            x = layers.BatchNormalization(name=f"block{block}_norm{number}")(x)
            x = layers.ReLU(name=f"block{block}_relu{number}")(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(0.3)(x)
    x = layers.Dense(64, activation="relu", name="fc1")(x)
    outputs = layers.Dense(10, activation="softmax", name="predictions")(x)
    return keras.Model(inputs, outputs, name="digits_vgg")


def convert(model: Any, calibration: np.ndarray | None) -> bytes:
    """The network as a flatbuffer with batch 1; int8 throughout (float32 at both ends) when calibration images are given."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if calibration is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[None]] for image in calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return bytes(converter.convert())


def accuracy(flatbuffer: bytes, images: np.ndarray, labels: np.ndarray) -> float:
    """Top-1 of a converted network, one image at a time, as it will be used."""
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(model_content=flatbuffer)
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    right = 0
    for image, label in zip(images, labels, strict=True):
        interpreter.set_tensor(source, image[None].astype(np.float32) / 255.0)
        interpreter.invoke()
        right += int(np.argmax(interpreter.get_tensor(sink)[0]) == label)
    return right / len(labels)


def train(images: np.ndarray, labels: np.ndarray) -> Any:
    """Adam with a cosine decay to zero and shifts of up to 4 pixels; every epoch is used, none is picked."""
    import tensorflow as tf
    from tensorflow import keras

    steps = EPOCHS * (len(images) // BATCH)
    schedule = keras.optimizers.schedules.CosineDecay(0.0, steps, warmup_target=PEAK_LEARNING_RATE, warmup_steps=100)
    model = build()
    model.compile(keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"])

    def shifted(image: Any, label: Any) -> tuple[Any, Any]:
        padded = tf.pad(image, [[4, 4], [4, 4], [0, 0]])
        return tf.image.random_crop(padded, (SIDE, SIDE, 1)), label

    data = tf.data.Dataset.from_tensor_slices((images.astype(np.float32) / 255.0, labels))
    data = data.shuffle(len(images), seed=SEED).map(shifted).batch(BATCH, drop_remainder=True)
    model.fit(data, epochs=EPOCHS, verbose=2)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder to write the networks and test images to")
    folder: Path = parser.parse_args().output

    import sklearn
    import tensorflow as tf
    from sklearn.model_selection import train_test_split
    from tensorflow import keras

    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    images, labels = load_digits()
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=0.2, random_state=SEED, stratify=labels
    )
    model = train(train_x, train_y)

    frozen = keras.Model(*_batch_of_one(model))
    calibration = train_x[:CALIBRATION_SAMPLES].astype(np.float32) / 255.0
    networks = {"fp32": convert(frozen, None), "int8": convert(frozen, calibration)}
    folder.mkdir(parents=True, exist_ok=True)
    for kind, flatbuffer in networks.items():
        (folder / f"{kind}.tflite").write_bytes(flatbuffer)
    np.savez_compressed(folder / "test.npz", images=test_x, labels=test_y)
    card = {
        "network": "digits_vgg",
        "data": "scikit-learn digits, 8 x 8 scaled to 64 x 64 (bilinear)",
        "split": {"train": len(train_x), "test": len(test_x), "seed": SEED},
        "training": {
            "epochs": EPOCHS,
            "batch": BATCH,
            "peak_learning_rate": PEAK_LEARNING_RATE,
            "schedule": "cosine to 0",
        },
        "test_accuracy": {
            kind: round(accuracy(flatbuffer, test_x, test_y), 4) for kind, flatbuffer in networks.items()
        },
        "input": {"scale": 1 / 255.0, "offset": 0.0, "layout": "NHWC"},
        "labels": [str(digit) for digit in range(10)],
        "made_with": {
            "tensorflow": tf.__version__,
            "scikit-learn": sklearn.__version__,
            "python": platform.python_version(),
        },
    }
    (folder / "card.json").write_text(json.dumps(card, indent=2) + "\n")
    print(json.dumps(card["test_accuracy"]))


def _batch_of_one(model: Any) -> tuple[Any, Any]:
    from tensorflow import keras

    image = keras.Input((SIDE, SIDE, 1), batch_size=1, name="image")
    return image, model(image, training=False)


if __name__ == "__main__":
    main()
