"""A published network with its weights: ImageNet's, those of a file, or seeded random ones."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from models.zoo import vit_weights
from models.zoo.architectures import SIDE, Architecture, calm, plain_model, rgb_model, take_weights
from models.zoo.conversion import first_line, silence
from models.zoo.noise import noise_images
from models.zoo.vision_transformer import VIT_B16, VisionTransformer
from protocol.errors import InvalidInput, ServiceMissing

Weights = Literal["imagenet", "none"] | Path

_LABELS = "imagenet_class_index.json"
_LABELS_URL = f"https://storage.googleapis.com/download.tensorflow.org/data/{_LABELS}"


@dataclass(frozen=True)
class Weighted:
    """`model` takes RGB with a batch of 1; `source` says where its weights are from, for the card; `labels` may be unknown."""

    model: Any
    source: Mapping[str, Any]
    labels: tuple[str, ...] = ()


def weighted(
    chosen: Architecture, weights: Weights, *, seed: int, side: int = SIDE, transformer: VisionTransformer = VIT_B16
) -> Weighted:
    """The network with these weights.

    InvalidInput where a file does not hold them, ServiceMissing where they cannot be downloaded; `seed` is that of random ones,
    whose last layer is scaled so that the softmax is not saturated.
    """
    import keras

    keras.utils.set_random_seed(seed)
    with silence():
        model = rgb_model(chosen, side=side, transformer=transformer)
    if weights == "none":
        calm(model, noise_images(1, model.input_shape[1], seed=seed), chosen.scaling)
        return Weighted(model, {"source": "random", "seed": seed})
    if chosen.keras_name:
        return _convolutional(chosen, model, weights, side)
    path = _download(vit_weights.URL, "the weights of ViT-B/16") if weights == "imagenet" else Path(weights)
    vit_weights.assign(model, vit_weights.read_checkpoint(path, transformer), transformer)
    return Weighted(model, _file(path), _labels(download=weights == "imagenet"))


def _convolutional(chosen: Architecture, model: Any, weights: Weights, side: int) -> Weighted:
    if weights == "imagenet":
        plain = _published(chosen)
        take_weights(chosen, model, plain)
        return Weighted(model, {"source": "keras.applications, imagenet"}, _labels(download=True))
    path = Path(weights)
    with silence():
        plain = plain_model(chosen, side=side)
    _load(plain, path, chosen)
    take_weights(chosen, model, plain)
    return Weighted(model, _file(path), _labels(download=False))


def _published(chosen: Architecture) -> Any:
    try:
        with silence():
            return plain_model(chosen, weights="imagenet")
    # Keras raises a bare Exception, whose message holds the address, where it cannot download.
    except Exception as error:
        raise ServiceMissing(
            f"the weights of {chosen.name} cannot be had: {first_line(error)}; get the file elsewhere and give it by --weights FILE"
        ) from error


def _load(plain: Any, path: Path, chosen: Architecture) -> None:
    """Gives a model of `keras.applications` the weights of a file: `.weights.h5`, `.h5`, or a whole model."""
    import keras

    if not path.is_file():
        raise InvalidInput(f"weights {path} cannot be read: there is no such file")
    try:
        with silence():
            if path.suffix == ".keras":
                plain.set_weights(keras.models.load_model(path, compile=False).get_weights())
            else:
                plain.load_weights(path)
    # Keras lets through whatever its file formats and layers raise.
    except Exception as error:
        raise InvalidInput(f"weights {path} are not those of {chosen.name}: {first_line(error)}") from error
    if not all(np.isfinite(array).all() for array in plain.get_weights()):
        raise InvalidInput(f"weights {path} hold values that are no finite numbers")


def _download(url: str, what: str) -> Path:
    import keras

    try:
        with silence():
            return Path(keras.utils.get_file(origin=url, cache_subdir="models"))
    # A bare Exception here, too.
    except Exception as error:
        raise ServiceMissing(
            f"{what} cannot be had: {first_line(error)}; get {url} elsewhere and give it by --weights FILE"
        ) from error


def _labels(*, download: bool) -> tuple[str, ...]:
    """ImageNet's class names where Keras has them already or can download them, else none."""
    path = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models" / _LABELS
    if download and not path.is_file():
        try:
            path = _download(_LABELS_URL, "the labels of ImageNet")
        except ServiceMissing:
            return ()
    try:
        index = json.loads(path.read_text())
        return tuple(str(index[str(number)][1]) for number in range(len(index)))
    except (OSError, ValueError, LookupError, TypeError):
        return ()


def _file(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"source": path.name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
