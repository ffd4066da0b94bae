"""The requests of a comparison: real images with labels, and deadlines drawn as in the published workloads."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.accuracy.samples import Samples
from models.manifest import Manifest
from protocol.errors import InvalidInput
from protocol.tensors import Array

PUBLISHED_REQUESTS = 10_000
"""The published workloads scale a sample of this size to the network's range (DynaSplit, arXiv 2410.23881)."""


@dataclass(frozen=True)
class Request:
    """One input, float32 with the network's shape, its label, and the latency that is allowed, in ms."""

    image: Array
    label: int
    deadline_ms: float


def draw_deadlines(count: int, *, fastest_ms: float, slowest_ms: float, seed: int) -> Array:
    """Deadlines, float64 [count], in ms: Weibull with shape 1 from the fastest configuration up.

    The published samples of 10,000 span from the network's fastest to its slowest configuration. The greatest of n draws with shape
    1 is ln(n) on average, so the scale here is (slowest - fastest) / ln(10,000), whatever `count` is.
    """
    if not 0 < fastest_ms < slowest_ms:
        raise InvalidInput(f"deadlines need 0 < fastest < slowest, not {fastest_ms} and {slowest_ms} ms")
    scale = (slowest_ms - fastest_ms) / math.log(PUBLISHED_REQUESTS)
    return fastest_ms + scale * np.random.default_rng(seed).weibull(1.0, count)


def make_requests(samples: Samples, manifest: Manifest, deadlines_ms: Array, *, seed: int) -> list[Request]:
    """One request per deadline; labelled samples are drawn without repeats while there are enough, in a seeded order."""
    if samples.labels is None:
        raise InvalidInput("requests need samples with labels")
    inputs, order = samples.scaled(manifest), np.random.default_rng(seed + 1).permutation(len(samples))
    picks = [int(order[number % len(order)]) for number in range(len(deadlines_ms))]
    return [
        Request(inputs[pick][None], int(samples.labels[pick]), float(deadline))
        for pick, deadline in zip(picks, deadlines_ms, strict=True)
    ]
