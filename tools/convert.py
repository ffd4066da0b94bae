"""Convert a published network, or a Keras model of your own, to a .tflite file with a batch of 1, and its card beside it.

vgg16, resnet50, mobilenetv2, efficientnetb0 and vit-b16 come with ImageNet's weights (downloaded), with those of a file
(--weights FILE: .weights.h5, .h5 or .keras; for vit-b16 Google's .npz), or with seeded random ones (--weights none). They take
RGB pixels 0-255, scaled as the card says. A .keras or .h5 file in the place of the name is a model of your own. With --int8 it
is quantised throughout, on images that look like what it will see. This needs TensorFlow: make install-convert.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.card import card_path
from models.manifest import Scaling
from models.network.graph import read_graph
from models.zoo.architectures import ARCHITECTURES, Architecture, architecture
from models.zoo.conversion import own_model, require_tensorflow, to_tflite
from models.zoo.weighted import Weights, weighted
from protocol.errors import InvalidInput
from protocol.tensors import Array, TensorSpec
from protocol.topics import check_name
from protocol.work import total
from tools.calibration import read_calibration
from tools.output import add_json_argument, check_json_target, console, write_bytes, write_json

SUMMARY = "convert a published network or a Keras model to .tflite"


@dataclass(frozen=True)
class Source:
    """A Keras model with what its card says."""

    name: str
    model: Any
    weights: dict[str, Any]
    scaling: Scaling = field(default_factory=Scaling)
    labels: tuple[str, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    known = ", ".join(ARCHITECTURES)
    parser.add_argument("network", metavar="NETWORK", help=f"{known}, or a .keras or .h5 file")
    parser.add_argument("--weights", default="imagenet", metavar="imagenet|none|FILE", help="default: %(default)s")
    parser.add_argument("--int8", action="store_true", help="quantise weights and activations; needs --calibration")
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="DIR|NPZ",
        help="images, or arrays named as the input, to find the activations' ranges with",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="NET.tflite", help="default: NETWORK-fp32.tflite or -int8")
    parser.add_argument("--seed", type=int, default=0, help="of random weights (default: %(default)s)")
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    output = _checked(arguments)
    samples = None
    version = require_tensorflow()
    source = _source(arguments)
    if arguments.int8:
        samples = _samples(arguments.calibration, source)
    console().print(f"converting {source.name} …")
    network = to_tflite(source.model, samples)
    card = _card(source, network, samples, version)
    write_bytes(output, network)
    write_json(str(card_path(output)), card)
    facts = _facts(source, output, card) | {"seconds": round(time.monotonic() - started, 3)}
    console().print(
        f"{output}: {facts['bytes']:,} bytes, {facts['parameters']:,} parameters, {facts['macs'] / 1e6:,.1f} M macs, "
        f"{facts['seconds']:.1f} s; its card is {card_path(output).name}"
    )
    write_json(arguments.json, facts)
    return 0


def _checked(arguments: argparse.Namespace) -> Path:
    """Where the network goes to, after all that can be refused before the long work."""
    if not _is_file(arguments.network):
        architecture(arguments.network)
    if arguments.int8 and arguments.calibration is None:
        raise InvalidInput("--int8 needs --calibration DIR|NPZ: a hundred images or more like those it will see")
    if arguments.calibration is not None and not arguments.int8:
        raise InvalidInput("--calibration is for --int8 only; add --int8 or leave it out")
    if arguments.seed < 0 or arguments.seed >= 2**32:
        raise InvalidInput(f"--seed takes a number from 0 to {2**32 - 1}, not {arguments.seed}")
    if arguments.weights not in ("imagenet", "none") and not Path(arguments.weights).is_file():
        raise InvalidInput(f"--weights takes imagenet, none or a file; there is no file {arguments.weights!r:.120}")
    name = Path(arguments.network).stem if _is_file(arguments.network) else arguments.network
    output = arguments.output or Path(f"{name}-{'int8' if arguments.int8 else 'fp32'}.tflite")
    if output.suffix != ".tflite":
        raise InvalidInput(f"the output must end in .tflite, not {output.name!r:.80}")
    check_json_target(str(output))
    check_json_target(arguments.json)
    return Path(output)


def _is_file(network: str) -> bool:
    return network.endswith((".keras", ".h5"))


def _source(arguments: argparse.Namespace) -> Source:
    if _is_file(arguments.network):
        path = Path(arguments.network)
        name = check_name(path.stem, what="network's name (of the file)")
        if arguments.weights != "imagenet":
            raise InvalidInput(f"{path} holds its own weights; leave --weights out")
        return Source(name, own_model(path), {"source": path.name})
    chosen: Architecture = architecture(arguments.network)
    weights: Weights = arguments.weights if arguments.weights in ("imagenet", "none") else Path(arguments.weights)
    found = weighted(chosen, weights, seed=arguments.seed)
    labels = found.labels if len(found.labels) == found.model.output_shape[-1] else ()
    return Source(chosen.name, found.model, dict(found.source), chosen.scaling, labels)


def _samples(calibration: Path, source: Source) -> Array:
    """The calibration samples, float32 [N, …] as the model takes them."""
    spec = TensorSpec(source.model.inputs[0].name, "FP32", tuple(source.model.input_shape))
    (found,) = read_calibration(calibration, [spec], source.scaling, name=source.name)
    return found.reshape(-1, *spec.shape[1:])


def _card(source: Source, network: bytes, samples: Array | None, tensorflow: str) -> dict[str, Any]:
    import keras

    card: dict[str, Any] = {
        "network": source.name,
        "input": source.scaling.to_json(),
        "labels": list(source.labels),
        "weights": source.weights,
        "precision": "fp32" if samples is None else "int8",
        "sha256": hashlib.sha256(network).hexdigest(),
        "made_with": {"tensorflow": tensorflow, "keras": keras.__version__},
    }
    return card if samples is None else card | {"calibration": {"samples": len(samples)}}


def _facts(source: Source, output: Path, card: dict[str, Any]) -> dict[str, Any]:
    graph = read_graph(output)
    return {
        "network": source.name,
        "output": str(output),
        "bytes": output.stat().st_size,
        "parameters": source.model.count_params(),
        "macs": total(operator.work for operator in graph.operators).total_macs,
        "weights": card["weights"],
        "precision": card["precision"],
        "versions": card["made_with"],
    }


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["convert", *sys.argv[1:]]))
