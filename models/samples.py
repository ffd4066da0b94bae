"""Labelled samples: pixels as a camera gives them, scaled to what a network takes."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.manifest import Manifest
from protocol.errors import InvalidInput
from protocol.tensors import Array


@dataclass(frozen=True)
class Samples:
    """Pixels uint8 [N, …] without a batch dimension, and labels int64 [N] where they are known."""

    pixels: Array
    labels: Array | None

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, part: slice) -> Samples:
        return Samples(self.pixels[part], None if self.labels is None else self.labels[part])

    @classmethod
    def read(cls, path: Path) -> Samples:
        """An `.npz` with `images` (uint8 [N, …]) and, if known, `labels` (integers [N])."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
                pixels = content["images"]
                labels = content.get("labels")
        except OSError as error:
            raise InvalidInput(f"samples {path} cannot be read: {error.strerror or error}") from error
        except (KeyError, ValueError, zipfile.BadZipFile, TypeError, AttributeError, EOFError) as error:
            raise InvalidInput(
                f"samples {path} must be an .npz file with 'images' (uint8) and 'labels': {error}"
            ) from error
        if pixels.dtype != np.uint8 or pixels.ndim < 2 or not len(pixels):
            raise InvalidInput(
                f"samples {path}: 'images' must be uint8 [N, …], not {pixels.dtype} {list(pixels.shape)}"
            )
        if labels is not None and (labels.dtype.kind not in "iu" or labels.shape != pixels.shape[:1]):
            raise InvalidInput(
                f"samples {path}: 'labels' must be integers [{len(pixels)}], not {labels.dtype} {list(labels.shape)}"
            )
        return cls(pixels, labels)

    def scaled(self, manifest: Manifest) -> Array:
        """The network's inputs, float32 [N, …]: pixels x scale + offset, as the bundle says."""
        spec = manifest.inputs[0]
        if self.pixels.shape[1:] != spec.shape[1:]:
            raise InvalidInput(
                f"{manifest.network} takes images of {list(spec.shape[1:])}, these are {list(self.pixels.shape[1:])}"
            )
        scaling = manifest.scaling
        return self.pixels.astype(np.float32) * np.float32(scaling.scale) + np.float32(scaling.offset)
