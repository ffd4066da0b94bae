"""Accuracy of a bundle, per cut point and wire codec, on labelled samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.manifest import Manifest
from models.runner import Runner
from models.samples import Samples
from protocol.configuration import Codec
from protocol.errors import InvalidInput
from protocol.measurement import Measurement
from protocol.tensors import Array, decode, encode


@dataclass(frozen=True)
class Accuracies:
    """Top-1 accuracy (0 to 1) by cut point and codec, over `samples` samples of a bundle's network."""

    network: str
    samples: int
    by_cut_and_codec: Mapping[tuple[int, Codec], float]

    def applied_to(self, measurement: Measurement) -> Measurement:
        """The measurement with the accuracy of its cut and codec, unchanged where nobody evaluated them."""
        configuration = measurement.configuration
        known = self.by_cut_and_codec.get((configuration.cut, configuration.codec))
        return measurement if known is None else replace(measurement, accuracy=known)


def evaluate(
    runner: Runner,
    manifest: Manifest,
    samples: Samples,
    *,
    codecs: Sequence[Codec],
    step: Callable[[], None] = lambda: None,
) -> Accuracies:
    """Top-1 at every cut point of a network with one input, with each codec; `step` follows each cut and codec.

    A lossless codec gives the whole network's answers bit for bit, and an edge-only run sends nothing: these are evaluated once,
    as the whole network.
    """
    if samples.labels is None:
        raise InvalidInput(f"samples without labels say nothing about the accuracy of {manifest.network}")
    inputs, labels = samples.scaled(manifest), samples.labels
    whole = _share_right(labels, lambda image: _whole(runner, manifest, image), inputs)
    accuracies = {}
    for point in manifest.cut_points:
        for codec in codecs:
            lossless = codec.element == "raw" or point.index == manifest.operator_count
            accuracies[point.index, codec] = (
                whole if lossless else _share_right(labels, _through(runner, manifest, point.index, codec), inputs)
            )
            step()
    return Accuracies(manifest.network, len(samples), accuracies)


def _share_right(labels: Array, answer: Callable[[Array], Array], inputs: Array) -> float:
    right = sum(int(np.argmax(answer(image[None]))) == label for image, label in zip(inputs, labels, strict=True))
    return float(right / len(labels))


def _whole(runner: Runner, manifest: Manifest, image: Array) -> Array:
    return runner.head(manifest.operator_count, [image]).finished[manifest.outputs[0].name]


def _through(runner: Runner, manifest: Manifest, cut: int, codec: Codec) -> Callable[[Array], Array]:
    """One image through head, codec and tail, as it travels when served."""
    specs, output = manifest.cut(cut).boundary, manifest.outputs[0].name

    def answer(image: Array) -> Array:
        head = runner.head(cut, [image])
        if output in head.finished:
            return head.finished[output]
        sent = [encode(array, spec, codec) for array, spec in zip(head.boundary, specs, strict=True)]
        received = [decode(tensor, spec, codec) for tensor, spec in zip(sent, specs, strict=True)]
        return runner.tail(cut, received)[output]

    return answer
