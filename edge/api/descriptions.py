"""What the agent says of its networks in the Open Inference Protocol v2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edge.device.accelerators import Accelerators
from edge.tables.networks import Network
from edge.telemetry.outbox import Outbox
from edge.telemetry.outbox_file import OutboxFailed
from hardware.board import Board
from protocol.errors import NotFound
from protocol.tensors import TensorSpec

EXTENSIONS = ("binary_tensor_data", "model_configuration", "model_repository", "statistics")
VERSION = "1"
"""A network has one version here: what serves it changes with its table, and the reply says by which."""

_PLATFORM = "tflite"


def check_version(version: str) -> None:
    """NotFound for any but the one version; the protocol leaves it out or sends an integer."""
    if version not in ("", VERSION):
        raise NotFound(f"version {version!r:.20} does not exist; a network on a device has version {VERSION} only")


def device(
    name: str, board: Board, *, clocks_khz: Sequence[int], accelerators: Accelerators, outbox: Outbox
) -> dict[str, Any]:
    """What `GET /v2` says of the device: where its figures come from, which configurations it can and may run, which of its
    accelerators can be used now, and what waits in its outbox."""
    return {
        "device": name,
        "board": board.name,
        "provenance": board.provenance.value,
        "clocks_khz": list(clocks_khz),
        "overruns": board.overruns,
        "accelerators": [accelerator.value for accelerator in board.accelerators()],
        "accelerator_health": accelerators.state(),
        "outbox": _waiting(outbox),
    }


def _waiting(outbox: Outbox) -> dict[str, Any]:
    """A broken disk is told, too."""
    try:
        return outbox.to_json()
    except OutboxFailed as error:
        return {"error": str(error)}


def metadata(network: Network) -> dict[str, Any]:
    """`GET /v2/models/<network>`."""
    manifest = network.bundle_for(pinned=False).manifest
    return {
        "name": network.name,
        "versions": [VERSION],
        "platform": _PLATFORM,
        "inputs": [_described(spec) for spec in manifest.inputs],
        "outputs": [_described(spec) for spec in manifest.outputs],
        "parameters": network.describe(),
    }


def configuration(network: Network) -> dict[str, Any]:
    """`GET /v2/models/<network>/config`: the model configuration extension of Triton, and what the bundle
    says that a pinned configuration runs on."""
    manifest = network.bundle_for(pinned=False).manifest
    described = {**network.describe(), "cuts": ",".join(map(str, manifest.cuts))}
    return {
        "name": network.name,
        "platform": _PLATFORM,
        "backend": "dynasplit",
        "max_batch_size": 0,
        "input": [_configured(spec) for spec in manifest.inputs],
        "output": [_configured(spec) for spec in manifest.outputs],
        "parameters": {name: {"string_value": str(value)} for name, value in described.items()},
        "bundle": network.bundle.digest,
        "cut_points": list(network.bundle.manifest.cuts),
        "scaling": network.bundle.manifest.scaling.to_json(),
        "labels": list(network.bundle.manifest.labels),
    }


def index_entry(network: Network) -> dict[str, str]:
    """An entry of `POST /v2/repository/index`. A network without a table only serves pinned configurations."""
    state, reason = ("READY", "") if network.plan else ("UNAVAILABLE", "no table was applied yet; push one")
    return {"name": network.name, "version": VERSION, "state": state, "reason": reason}


def _described(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)}


def _configured(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "data_type": f"TYPE_{spec.datatype}", "dims": list(spec.shape)}
