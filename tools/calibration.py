"""Calibration samples: what a quantiser finds the ranges of activations with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from models.accuracy.sample_sets import check_tensors
from models.accuracy.samples import Samples, as_input, read_arrays
from models.cutting.quantize import MOST_SAMPLES
from models.manifest import Scaling
from models.network.graph import read_graph
from protocol.errors import InvalidInput
from protocol.tensors import Array, TensorSpec
from tools.images import check_image_input, read_pixels
from tools.output import console

FEW_SAMPLES = 100
"""Fewer samples leave the ranges of activations to chance."""

IMAGES = "images"


def read_calibration(
    path: Path, specs: Sequence[TensorSpec], scaling: Scaling, *, name: str, limit: int | None = None
) -> tuple[Array, ...]:
    """Of each input of a network all samples (or the first), [N, …] in its dtype and with no batch dimension that it has.

    They come from a folder of images, in folders in it too; from an `.npz` with `images` (uint8 [N, …]), scaled like those;
    or from an `.npz` with arrays named as the inputs, used as they are. Labels are not needed. Says so where they are few.
    InvalidInput where there is none, or where they do not fit.
    """
    arrays = {} if path.is_dir() else read_arrays(path, what="calibration samples")
    try:
        if all(spec.name in arrays for spec in specs) and not _are_pixels(arrays, specs):
            found = _as_they_are(arrays, specs, limit)
        else:
            pixels = _pixels(path, arrays, specs, scaling.layout, limit)
            found = (_scaled(pixels, specs[0], scaling, name),)
    except InvalidInput as error:
        raise InvalidInput(f"calibration samples {path}: {error}") from error
    if len(found[0]) < FEW_SAMPLES:
        console().print(
            f"[yellow]only {len(found[0])} calibration samples; {FEW_SAMPLES} or more make a better int8 network"
        )
    return found


def calibration_inputs(network: Path, path: Path, scaling: Scaling) -> Iterator[tuple[Array, ...]]:
    """The same as inputs of a `.tflite` network, one sample after the other. InvalidInput at once, not at the first of them."""
    graph = read_graph(network)
    specs = [graph.spec(index, name) for name, index in graph.inputs.items()]
    found = read_calibration(path, specs, scaling, name=str(network), limit=MOST_SAMPLES)
    return (
        tuple(array[number].reshape(spec.shape) for array, spec in zip(found, specs, strict=True))
        for number in range(len(found[0]))
    )


def _are_pixels(arrays: Mapping[str, Array], specs: Sequence[TensorSpec]) -> bool:
    """Whether `images` are what the word says, although the network's input bears that name as well."""
    return [spec.name for spec in specs] == [IMAGES] and arrays[IMAGES].dtype != specs[0].dtype


def _as_they_are(arrays: Mapping[str, Array], specs: Sequence[TensorSpec], limit: int | None) -> tuple[Array, ...]:
    found = tuple(arrays[spec.name] for spec in specs)
    for array, spec in zip(found, specs, strict=True):
        check_tensors(array, spec)
    if len(counts := {len(array) for array in found}) > 1 or 0 in counts:
        raise InvalidInput(
            f"there must be as many of each input, and one at least, not {[len(array) for array in found]}"
        )
    return tuple(array[:limit] for array in found)


def _pixels(
    path: Path, arrays: Mapping[str, Array], specs: Sequence[TensorSpec], layout: str, limit: int | None
) -> Array:
    names = ", ".join(spec.name for spec in specs)
    if len(specs) != 1:
        raise InvalidInput(f"the network has {len(specs)} inputs; give an .npz with arrays named {names}")
    if path.is_dir():
        check_image_input(specs[0], layout)
        return np.concatenate([read_pixels(file, specs[0], layout) for file in _files(path)[:limit]])
    if IMAGES not in arrays:
        there = ", ".join(arrays) or "nothing"
        raise InvalidInput(
            f"there must be '{IMAGES}' (uint8), or an array named as the network's input: {names}; not {there}"
        )
    return Samples.of({IMAGES: arrays[IMAGES][:limit]}).pixels


def _scaled(pixels: Array, spec: TensorSpec, scaling: Scaling, name: str) -> Array:
    if pixels.shape[1:] != spec.shape[1:]:
        raise InvalidInput(f"{name} takes images of {list(spec.shape[1:])}, those are {list(pixels.shape[1:])}")
    return as_input(pixels, spec, scaling)


def _files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not found:
        raise InvalidInput("there are no images in it")
    return found
