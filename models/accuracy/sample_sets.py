"""Labelled inputs of one network: the port, and the sets that come as arrays in one file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from models.accuracy.samples import Samples, as_input, read_arrays
from models.manifest import Manifest
from protocol.errors import InvalidInput
from protocol.tensors import Array, TensorSpec

LABELS = "labels"


class SampleSet(Protocol):
    """Labelled inputs of one network, in an order that does not change. Not thread-safe."""

    @property
    def labels(self) -> Array:
        """[N, …]: what is right for each sample."""
        ...

    @property
    def digest(self) -> str:
        """The sha256 (hexadecimal) of the samples' content, labels included: the same for the same samples anywhere."""
        ...

    def __len__(self) -> int: ...

    def inputs(self, number: int) -> tuple[Array, ...]:
        """The inputs of one sample with dtypes and shapes of the manifest. InvalidInput where it cannot be read."""
        ...


@dataclass(frozen=True)
class PixelSet:
    """Images with labels [N, …], scaled and quantised as the bundle says when they are asked for."""

    samples: Samples
    labels: Array
    manifest: Manifest

    def __post_init__(self) -> None:
        network, inputs = self.manifest.network, self.manifest.inputs
        if len(inputs) != 1:
            names = ", ".join(spec.name for spec in inputs)
            raise InvalidInput(f"{network} has {len(inputs)} inputs: give arrays named {names}, not 'images'")
        if len(self.labels) != len(self.samples):
            raise InvalidInput(f"there are {len(self.samples)} images, but {len(self.labels)} labels")
        self.samples.check_fit(self.manifest)

    @classmethod
    def of(cls, samples: Samples, manifest: Manifest) -> PixelSet:
        """Samples with their own labels; InvalidInput where nobody knows them."""
        if samples.labels is None:
            raise InvalidInput(f"samples without labels say nothing about the accuracy of {manifest.network}")
        return cls(samples, samples.labels, manifest)

    @cached_property
    def digest(self) -> str:
        return digest_of_arrays({"images": self.samples.pixels, LABELS: self.labels})

    def __len__(self) -> int:
        return len(self.samples)

    def inputs(self, number: int) -> tuple[Array, ...]:
        pixels = self.samples.pixels[number : number + 1]
        return (as_input(pixels, self.manifest.inputs[0], self.manifest.scaling),)


@dataclass(frozen=True)
class TensorSet:
    """Arrays in the order of the network's inputs, each [N, …], used as they are."""

    arrays: tuple[Array, ...]
    labels: Array
    manifest: Manifest

    def __post_init__(self) -> None:
        for array, spec in zip(self.arrays, self.manifest.inputs, strict=True):
            check_tensors(array, spec)
            if len(array) != len(self.labels):
                raise InvalidInput(f"there are {len(array)} samples '{spec.name}', but {len(self.labels)} labels")

    @cached_property
    def digest(self) -> str:
        named = {spec.name: array for spec, array in zip(self.manifest.inputs, self.arrays, strict=True)}
        return digest_of_arrays({**named, f"/{LABELS}": self.labels})

    def __len__(self) -> int:
        return len(self.labels)

    def inputs(self, number: int) -> tuple[Array, ...]:
        return tuple(
            array[number].reshape(spec.shape) for array, spec in zip(self.arrays, self.manifest.inputs, strict=True)
        )


def read_sample_set(path: Path, manifest: Manifest, *, limit: int | None = None) -> SampleSet:
    """The (first) samples in an `.npz`: `images` (uint8 [N, …]), or arrays named as the network's inputs; and `labels`.

    InvalidInput, naming the file, where it holds neither or they do not fit the network.
    """
    arrays = {name: array[:limit] if array.ndim else array for name, array in read_arrays(path).items()}
    names = [spec.name for spec in manifest.inputs]
    try:
        if LABELS not in arrays or not arrays[LABELS].ndim:
            raise InvalidInput(f"'{LABELS}' are missing; without them nobody can tell which answers are right")
        if all(
            name in arrays and arrays[name].dtype == spec.dtype
            for name, spec in zip(names, manifest.inputs, strict=True)
        ):
            found: SampleSet = TensorSet(tuple(arrays[name] for name in names), arrays[LABELS], manifest)
        else:
            images = Samples.of({name: array for name, array in arrays.items() if name != LABELS})
            found = PixelSet(images, arrays[LABELS], manifest)
    except InvalidInput as error:
        raise InvalidInput(f"samples {path}: {error}") from error
    if not len(found):
        raise InvalidInput(f"samples {path}: there are none in it")
    return found


def check_tensors(array: Array, spec: TensorSpec) -> None:
    """InvalidInput unless the array is [N, …] of what this input takes, with or without its batch of 1."""
    if array.dtype != spec.dtype or array.shape[1:] not in (spec.shape, _one(spec)):
        wanted = f"{spec.datatype} {['N', *(_one(spec) or spec.shape)]}".replace("'", "")
        raise InvalidInput(f"samples '{spec.name}' must be {wanted}, not {array.dtype} {list(array.shape)}")


def digest_of_arrays(arrays: Mapping[str, Array]) -> str:
    """The sha256 of names, dtypes, shapes and values, in the order of the names."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {array.dtype.str} {list(array.shape)}\n".encode())
        if array.size:
            found.update(array.reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def _one(spec: TensorSpec) -> tuple[int, ...] | None:
    """The shape of one sample where the batch dimension, 1, is left out; None where the input has none."""
    return spec.shape[1:] if spec.shape[:1] == (1,) else None
