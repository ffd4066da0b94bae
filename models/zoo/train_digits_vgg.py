"""Trains the small VGG-style network that the demo serves, on scikit-learn's digits (0.28 G multiply-accumulates).

    python -m models.zoo.train_digits_vgg --output models/zoo/digits_vgg

How it is trained and what is held out: `models/zoo/digits.py`. It writes `fp32.tflite`, `int8.tflite`, `card.json`, which says
how they came to be, and `test.npz` (images uint8 [N, 64, 64, 1], labels int64 [N]), which serves all digits networks.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from models.zoo import digits
from models.zoo.digits import SIDE, Training

TRAINING = Training(epochs=18, peak_learning_rate=1e-3)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder to write the networks and test images to")
    folder: Path = parser.parse_args().output

    from tensorflow import keras

    data = digits.load_digits()
    model = digits.train(build, data, TRAINING)
    image = keras.Input((SIDE, SIDE, 1), batch_size=1, name="image")
    networks = digits.networks(keras.Model(image, model(image, training=False)), data)
    card = digits.card("digits_vgg", data, TRAINING, networks)
    digits.write(folder, networks, card)
    np.savez_compressed(folder / "test.npz", images=data.test_images, labels=data.test_labels)
    print(json.dumps(card["test_accuracy"]))


if __name__ == "__main__":
    main()
