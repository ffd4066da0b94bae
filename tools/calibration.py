"""Calibration samples: the images whose values tell a quantiser its ranges."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models.accuracy.samples import Samples, as_input
from models.manifest import Scaling
from models.network.graph import read_graph
from protocol.errors import InvalidInput
from protocol.tensors import Array, TensorSpec
from tools.images import check_image_input, read_pixels
from tools.output import console

FEW_SAMPLES = 100
"""Fewer images leave the ranges of activations to chance."""


def read_calibration(path: Path, spec: TensorSpec, layout: str, *, name: str) -> Array:
    """Images uint8 [N, …] of a network's input: an `.npz` with `images`, or those in a folder and in folders in it.

    Says so where they are few. InvalidInput where there is none, or where they are of another size.
    """
    if path.is_dir():
        check_image_input(spec, layout)
        pixels = np.concatenate([read_pixels(file, spec, layout) for file in _files(path)])
    else:
        pixels = Samples.read(path).pixels
    if pixels.shape[1:] != spec.shape[1:]:
        raise InvalidInput(
            f"{name} takes images of {list(spec.shape[1:])}, those in {path} are {list(pixels.shape[1:])}"
        )
    if len(pixels) < FEW_SAMPLES:
        console().print(
            f"[yellow]only {len(pixels)} calibration images; {FEW_SAMPLES} or more make a better int8 network"
        )
    return pixels


def calibration_inputs(network: Path, path: Path, scaling: Scaling) -> Iterator[tuple[Array, ...]]:
    """The same as inputs of a `.tflite` network, scaled as its card says. InvalidInput at once, not at the first of them."""
    graph = read_graph(network)
    specs = [graph.spec(index, name) for name, index in graph.inputs.items()]
    if len(specs) != 1:
        raise InvalidInput(f"{network} has {len(specs)} inputs; it can be quantised with --head INT8.tflite only")
    pixels = read_calibration(path, specs[0], scaling.layout, name=str(network))
    return ((as_input(pixels[number : number + 1], specs[0], scaling),) for number in range(len(pixels)))


def _files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not found:
        raise InvalidInput(f"{folder}: there are no images in it")
    return found
