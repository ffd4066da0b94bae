"""Does a cut network still answer as the whole one does, to the last bit?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from models.manifest import Manifest
from models.runner import Runner
from protocol.tensors import Array, TensorSpec


def inexact_cuts(manifest: Manifest, runner: Runner, samples: Sequence[Sequence[Array]]) -> tuple[int, ...]:
    """The cut points where head, then tail give other bits than the whole network, for at least one of the samples."""
    wholes = [runner.head(manifest.operator_count, inputs).finished for inputs in samples]
    return tuple(
        cut
        for cut in manifest.cuts
        if not all(_same(_through(runner, cut, inputs), whole) for inputs, whole in zip(samples, wholes, strict=True))
    )


def random_samples(manifest: Manifest, count: int, *, seed: int = 0) -> Iterator[tuple[Array, ...]]:
    """Inputs that fit the network: numbers in [0, 1) where they are floats, else over the type's range (8 bits at most)."""
    generator = np.random.default_rng(seed)
    for _ in range(count):
        yield tuple(_random(spec, generator) for spec in manifest.inputs)


def _random(spec: TensorSpec, generator: np.random.Generator) -> Array:
    if spec.dtype.kind == "f":
        return generator.random(spec.shape).astype(spec.dtype)
    low = -128 if spec.dtype == np.int8 else 0
    high = {"b": 2, "i": 128}.get(spec.dtype.kind, 256)
    return generator.integers(low, high, spec.shape).astype(spec.dtype)


def _through(runner: Runner, cut: int, inputs: Sequence[Array]) -> Mapping[str, Array]:
    head = runner.head(cut, inputs)
    return {**runner.tail(cut, head.boundary), **head.finished}


def _same(found: Mapping[str, Array], expected: Mapping[str, Array]) -> bool:
    """Compared as bytes: NaN equals itself, and 0 differs from -0."""
    return found.keys() == expected.keys() and all(
        found[name].tobytes() == expected[name].tobytes() for name in expected
    )
