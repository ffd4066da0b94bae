"""Quantising a network with ai-edge-quantizer: int8 weights and activations, float ends. Needs the `convert` extra."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from models.network import tflite
from models.network.graph import Graph, read_graph
from models.running.native_log import native_messages
from protocol.errors import InvalidInput, ServiceMissing
from protocol.tensors import Array

MOST_SAMPLES = 200
"""More calibration samples hardly move a range, and each takes a run."""


def check_quantizer() -> None:
    """ServiceMissing, with the way to get it, where ai-edge-quantizer is not installed."""
    try:
        import ai_edge_quantizer  # noqa: F401 - only asked whether it is there
    except ImportError as error:
        raise ServiceMissing(
            "quantising needs the package 'ai-edge-quantizer', which is not installed: make install-convert"
        ) from error


def quantize(network: Path, samples: Iterable[Sequence[Array]], target: Path) -> Path:
    """Writes the network with int8 weights (per channel) and activations to `target`; its inputs and outputs stay floats.

    `samples` are inputs of the network, each a sequence in the order of its inputs; ranges are taken from the first 200.
    Operators that the quantizer does not know stay floats. InvalidInput where there is no sample or the quantizer gives up.
    """
    check_quantizer()
    graph = read_graph(network)
    named = [
        dict(zip(graph.inputs, sample, strict=True)) for sample, _ in zip(samples, range(MOST_SAMPLES), strict=False)
    ]
    if not named:
        raise InvalidInput(f"quantising {network} needs at least one calibration sample")
    calibration = {_signature(graph): named}
    try:
        with native_messages(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TensorFlow's and the quantizer's own deprecations
            content = _quantized(network, calibration)
    except (RuntimeError, ValueError, KeyError, TypeError, NotImplementedError) as error:
        raise InvalidInput(f"{network} cannot be quantised: {_reason(graph, error)}") from error
    target.write_bytes(content)
    return target


def _reason(graph: Graph, error: Exception) -> str:
    """In one line; where the runtime had let a tensor's memory go already, the operator that does so."""
    calling = [operator for operator in graph.operators if operator.calls]
    if "Tensor data is null" in str(error) and calling:
        return f"the quantizer cannot look into operator {calling[0].index}, {calling[0].name}, which runs graphs of its own"
    return " ".join(str(error).split())[:300]


def _signature(graph: Graph) -> str:
    """The network's own signature; the calibration is told by its name."""
    keys = [entry.signatureKey for entry in graph.model.signatureDefs or [] if entry.subgraphIndex == 0]
    if not keys:
        raise InvalidInput(f"{graph.what} has no signature, which the quantizer needs: convert it again")
    return tflite.text(keys[0])


def _quantized(network: Path, calibration: Mapping[str, list[dict[str, Array]]]) -> bytes:
    from ai_edge_quantizer import quantizer, recipe

    worker = quantizer.Quantizer(str(network), recipe.static_wi8_ai8())
    for end in (recipe.TFLOperationName.INPUT, recipe.TFLOperationName.OUTPUT):
        worker.update_quantization_recipe(
            regex=".*", operation_name=end, algorithm_key=recipe.AlgorithmName.NO_QUANTIZE
        )
    ranges: Any = worker.calibrate(calibration, num_threads=1)
    return bytes(worker.quantize(ranges, enable_progress_bar=False, enable_progress_report=False).quantized_model)
