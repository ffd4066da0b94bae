"""Samples: pixels as a camera gives them, with labels where they are known, and what a network takes of them."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.manifest import Manifest, Scaling
from protocol.errors import InvalidInput
from protocol.tensors import Array, TensorSpec


def scaled(pixels: Array, scaling: Scaling) -> Array:
    """float32, of the same shape: pixel x scale + offset."""
    return pixels.astype(np.float32) * np.float32(scaling.scale) + np.float32(scaling.offset)


def as_input(pixels: Array, spec: TensorSpec, scaling: Scaling) -> Array:
    """Pixels (uint8) with the input's dtype: scaled, then quantised by the input's own scale where it has one.

    Integers are rounded to the nearest and kept within the type's range.
    """
    values = scaled(pixels, scaling)
    if spec.dtype.kind not in "iu":
        return values.astype(spec.dtype, copy=False)
    if spec.scale:
        values = values / np.float32(spec.scale) + np.float32(spec.zero_point)
    limits = np.iinfo(spec.dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(spec.dtype)


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
        """The network's inputs [N, …] in the dtype of its (first) input: pixels x scale + offset, as the bundle says."""
        spec = manifest.inputs[0]
        if self.pixels.shape[1:] != spec.shape[1:]:
            raise InvalidInput(
                f"{manifest.network} takes images of {list(spec.shape[1:])}, these are {list(self.pixels.shape[1:])}"
            )
        return as_input(self.pixels, spec, manifest.scaling)
