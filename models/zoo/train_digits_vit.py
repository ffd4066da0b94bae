"""Trains a small vision transformer on scikit-learn's digits (10 M multiply-accumulates), as `train_digits_vgg.py` its network.

    python -m models.zoo.train_digits_vit --output models/zoo/digits_vit

How it is trained and what is held out: `models/zoo/digits.py`. It writes `fp32.tflite`, `int8.tflite` and `card.json`, which
says how they came to be; the test images are those of `digits_vgg`. A transformer knows nothing of images beforehand, so it
takes more epochs than the convolutions do.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from models.zoo import digits
from models.zoo.digits import SIDE, Training
from models.zoo.vision_transformer import VisionTransformer, build

NAME = "digits_vit"
CONFIG = VisionTransformer(side=SIDE, patch=8, width=64, depth=4, heads=4, mlp=128, classes=10, channels=1)
TRAINING = Training(epochs=100, peak_learning_rate=1e-3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder to write the networks to")
    folder: Path = parser.parse_args().output

    data = digits.load_digits()
    trained = digits.train(lambda: build(CONFIG, name=NAME, batch=None), data, TRAINING)
    frozen = build(CONFIG, name=NAME)
    frozen.set_weights(trained.get_weights())
    networks = digits.networks(frozen, data)
    card = digits.card(NAME, data, TRAINING, networks)
    digits.write(folder, networks, card)
    print(json.dumps(card["test_accuracy"]))


if __name__ == "__main__":
    main()
