"""Does a cut network still answer as the whole one does, to the last bit?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.manifest import Manifest
from models.running.runner import Runner, RunnerFailed
from protocol.tensors import Array, TensorSpec

_INDEX_BYTES = 4


@dataclass(frozen=True)
class Difference:
    """How far head and tail are from the whole network: `differing` of `count` values, by `largest` at most.

    `largest` is None where a value that differs is no finite number on one side.
    """

    largest: float | None
    differing: int
    count: int

    def to_json(self) -> dict[str, Any]:
        return {"largest": self.largest, "differing": self.differing, "count": self.count}


@dataclass(frozen=True)
class Failure:
    """The runtime gave no answer."""

    reason: str


Expected = Callable[[int, Sequence[Array]], Mapping[str, Array]]
"""What a cut point should answer to these inputs, by output."""


def differences(
    manifest: Manifest, runner: Runner, samples: Sequence[Sequence[Array]], *, expected: Expected | None = None
) -> Mapping[int, Difference | Failure | None]:
    """Of every cut point, how head, then tail differ from the whole network over all samples; None where to no bit, and a
    Failure where the runtime cannot run them, or not what they are compared with.

    With `expected` they are compared with what it answers, since a mixed bundle has no whole network.
    """
    try:
        known = expected or _wholes(manifest, runner, samples)
    except RunnerFailed as error:
        return dict.fromkeys(manifest.cuts, Failure(f"the whole network: {error}"))
    return {cut: _at(cut, runner, samples, known) for cut in manifest.cuts}


def _wholes(manifest: Manifest, runner: Runner, samples: Sequence[Sequence[Array]]) -> Expected:
    answers = [runner.head(manifest.operator_count, inputs).finished for inputs in samples]
    places = {id(inputs): number for number, inputs in enumerate(samples)}
    return lambda _, inputs: answers[places[id(inputs)]]


def _at(
    cut: int, runner: Runner, samples: Sequence[Sequence[Array]], expected: Expected
) -> Difference | Failure | None:
    try:
        return _sum(_difference(through(runner, cut, inputs), expected(cut, inputs)) for inputs in samples)
    except RunnerFailed as error:
        return Failure(str(error))


def inexact_cuts(manifest: Manifest, runner: Runner, samples: Sequence[Sequence[Array]]) -> tuple[int, ...]:
    """The cut points where head, then tail give other bits than the whole network, for at least one of the samples."""
    return tuple(cut for cut, found in differences(manifest, runner, samples).items() if found)


def random_samples(manifest: Manifest, count: int, *, seed: int = 0) -> Iterator[tuple[Array, ...]]:
    """Inputs that fit the network: numbers in [0, 1) where they are floats, else over the type's range (8 bits at most).

    Whole numbers of 32 and 64 bits are 0 or 1: they mostly are indices, and larger ones may point nowhere.
    """
    generator = np.random.default_rng(seed)
    for _ in range(count):
        yield tuple(_random(spec, generator) for spec in manifest.inputs)


def _random(spec: TensorSpec, generator: np.random.Generator) -> Array:
    if spec.dtype.kind == "f":
        return generator.random(spec.shape).astype(spec.dtype)
    low = -128 if spec.dtype == np.int8 else 0
    high = 2 if spec.dtype.itemsize >= _INDEX_BYTES else {"b": 2, "i": 128}.get(spec.dtype.kind, 256)
    return generator.integers(low, high, spec.shape).astype(spec.dtype)


def through(runner: Runner, cut: int, inputs: Sequence[Array]) -> Mapping[str, Array]:
    """The network's outputs by way of this cut point."""
    head = runner.head(cut, inputs)
    return {**runner.tail(cut, head.boundary), **head.finished}


def _difference(found: Mapping[str, Array], expected: Mapping[str, Array]) -> Difference:
    """Compared as bytes: NaN equals itself, and 0 differs from -0."""
    return _sum_parts([_array_difference(found[name], expected[name]) for name in expected])


def _array_difference(found: Array, expected: Array) -> Difference:
    width = expected.dtype.itemsize
    one, other = (
        np.ascontiguousarray(array).reshape(-1).view(np.uint8).reshape(-1, width) for array in (found, expected)
    )
    unequal = (one != other).any(axis=1)
    if not unequal.any():
        return Difference(0.0, 0, expected.size)
    gaps = np.abs(found.reshape(-1)[unequal].astype(np.float64) - expected.reshape(-1)[unequal].astype(np.float64))
    largest = float(gaps.max()) if np.isfinite(gaps).all() else None
    return Difference(largest, int(unequal.sum()), expected.size)


def _sum(parts: Iterable[Difference]) -> Difference | None:
    summed = _sum_parts(list(parts))
    return summed if summed.differing else None


def _sum_parts(parts: Sequence[Difference]) -> Difference:
    gaps = [part.largest for part in parts]
    largest = None if None in gaps else max((gap for gap in gaps if gap is not None), default=0.0)
    return Difference(largest, sum(part.differing for part in parts), sum(part.count for part in parts))
