"""Small trained networks that come with the project, for the demo and for tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from models.accuracy.samples import scaled
from models.card import Card, read_card
from protocol.tensors import Array

Kind = Literal["fp32", "int8"]

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class ZooNetwork:
    """A network with held-out samples: `images` uint8 [N, 64, 64, 1], `labels` int64 [N]."""

    name: str
    path: Path
    card: Card
    images: Array
    labels: Array

    def input(self, number: int) -> Array:
        """One image as the network takes it: float32 [1, 64, 64, 1]."""
        return scaled(self.images[number : number + 1], self.card.scaling)


def digits_vgg(kind: Kind = "fp32") -> Path:
    """The `.tflite` file of the VGG-style digits network (0.28 G multiply-accumulates)."""
    return _FOLDER / "digits_vgg" / f"{kind}.tflite"


def digits_vit(kind: Kind = "fp32") -> Path:
    """The `.tflite` file of the small vision transformer for digits (10 M multiply-accumulates)."""
    return _FOLDER / "digits_vit" / f"{kind}.tflite"


def load_digits_vgg(kind: Kind = "fp32") -> ZooNetwork:
    """The VGG-style network with the 360 test images, of which none was trained on."""
    return _load("digits_vgg", digits_vgg(kind))


def load_digits_vit(kind: Kind = "fp32") -> ZooNetwork:
    """The vision transformer with the same 360 test images; it was trained on none of them either."""
    return _load("digits_vit", digits_vit(kind))


def _load(name: str, path: Path) -> ZooNetwork:
    with np.load(_FOLDER / "digits_vgg" / "test.npz") as samples:
        card = read_card(path.with_name("card.json"))
        return ZooNetwork(name, path, card, samples["images"], samples["labels"])
