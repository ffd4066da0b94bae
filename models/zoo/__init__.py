"""Small trained networks that come with the project, for the demo and for tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from models.card import Card, read_card
from models.samples import scaled
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


def load_digits_vgg(kind: Kind = "fp32") -> ZooNetwork:
    """The digits network with its 360 test images, of which none was trained on."""
    path = digits_vgg(kind)
    with np.load(path.with_name("test.npz")) as samples:
        return ZooNetwork(
            "digits_vgg", path, read_card(path.with_name("card.json")), samples["images"], samples["labels"]
        )
