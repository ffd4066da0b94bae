"""Samples: pixels as a camera gives them, with labels where they are known, and what a network takes of them."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.manifest import Manifest, Scaling
from protocol.errors import InvalidInput
from protocol.files import open_regular
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
            return cls.of(read_arrays(path))
        except InvalidInput as error:
            raise InvalidInput(f"samples {path}: {error}") from error

    @classmethod
    def of(cls, arrays: Mapping[str, Array]) -> Samples:
        """The arrays `images` (uint8 [N, …]) and, if known, `labels` [N, …]."""
        if "images" not in arrays:
            raise InvalidInput(f"there must be 'images' (uint8) and 'labels', not {', '.join(arrays) or 'nothing'}")
        pixels, labels = arrays["images"], arrays.get("labels")
        if pixels.dtype != np.uint8 or pixels.ndim < 2 or not len(pixels):
            raise InvalidInput(f"'images' must be uint8 [N, …], not {pixels.dtype} {list(pixels.shape)}")
        if labels is not None and (labels.dtype.kind not in "iu" or labels.shape != pixels.shape[:1]):
            raise InvalidInput(f"'labels' must be integers [{len(pixels)}], not {labels.dtype} {list(labels.shape)}")
        return cls(pixels, labels)

    def check_fit(self, manifest: Manifest) -> None:
        """InvalidInput unless the images have the shape of the network's (first) input."""
        wanted, there = manifest.inputs[0].shape[1:], self.pixels.shape[1:]
        if there != wanted:
            raise InvalidInput(f"{manifest.network} takes images of {list(wanted)}, these are {list(there)}")

    def scaled(self, manifest: Manifest) -> Array:
        """The network's inputs [N, …] in the dtype of its (first) input: pixels x scale + offset, as the bundle says."""
        self.check_fit(manifest)
        return as_input(self.pixels, manifest.inputs[0], manifest.scaling)


def read_arrays(path: Path, *, what: str = "samples") -> dict[str, Array]:
    """All arrays of an `.npz` file by name; InvalidInput where it is none. Nothing in it is ever run."""
    try:
        with open_regular(path) as file, np.load(file, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}
    except OSError as error:
        raise InvalidInput(f"{what} {path} cannot be read: {error.strerror or error}") from error
    except (
        ValueError,
        zipfile.BadZipFile,
        zlib.error,
        TypeError,
        AttributeError,
        EOFError,
        NotImplementedError,
    ) as error:
        raise InvalidInput(f"{what} {path} must be an .npz file of plain arrays: {error}") from error
