"""Open Inference Protocol v2: the server, its health, and what it says of its networks."""

from __future__ import annotations

from importlib.metadata import version as installed_version
from typing import Any

from flask import Blueprint, Response, jsonify

from cloud.access.scopes import Scope
from cloud.api.access import allowed, open_to_all
from cloud.api.answers_v2 import Live, ModelConfiguration, ModelDescription, ModelReady, ModelStatistics, Ready, Server
from cloud.api.described import Operation, described
from cloud.api.readiness import check_ready
from cloud.services import services
from models.manifest import Manifest
from protocol.tensors import TensorSpec

blueprint = Blueprint("models_v2", __name__)

PLATFORM = "tflite"
_EXTENSIONS = ["binary_tensor_data", "model_configuration", "model_repository", "statistics"]


@blueprint.get("/v2")
@allowed(Scope.INFER, Scope.READ)
@described(Operation(answers={200: Server}))
def server() -> Response:
    """Name, version and extensions."""
    return jsonify({"name": "dynasplit-backend", "version": installed_version("dynasplit"), "extensions": _EXTENSIONS})


@blueprint.get("/v2/health/live")
@open_to_all
@described(Operation(answers={200: Live}))
def live() -> Response:
    """The process answers."""
    return jsonify({"live": True})


@blueprint.get("/v2/health/ready")
@open_to_all
@described(Operation(answers={200: Ready}))
def ready() -> Response:
    """The store can be used, and where networks are loaded, one of them at least is here; 503 otherwise, with what is missing."""
    check_ready(services())
    return jsonify({"ready": True})


@blueprint.get("/v2/models/<network>")
@blueprint.get("/v2/models/<network>/versions/<version>")
@allowed(Scope.INFER, Scope.READ)
@described(Operation(answers={200: ModelDescription}))
def metadata(network: str, version: str = "") -> Response:
    """Inputs and outputs of the whole network, as a request with cut 0 sends and gets them."""
    made = services()
    bundle = made.catalogue.find(network, version=version)
    manifest = made.bundles.manifest(bundle.digest)
    return jsonify(
        {
            "name": network,
            "versions": [str(known.version) for known in made.catalogue.of_network(network) if known.loaded],
            "platform": PLATFORM,
            "inputs": [_described(spec) for spec in manifest.cut(0).boundary],
            "outputs": [_described(spec) for spec in manifest.outputs],
            "parameters": {"bundle": bundle.digest},
        }
    )


@blueprint.get("/v2/models/<network>/ready")
@blueprint.get("/v2/models/<network>/versions/<version>/ready")
@allowed(Scope.INFER, Scope.READ)
@described(Operation(answers={200: ModelReady}))
def model_ready(network: str, version: str = "") -> Response:
    """The network is loaded; 404 otherwise."""
    bundle = services().catalogue.find(network, version=version)
    return jsonify({"name": network, "version": str(bundle.version), "ready": True})


@blueprint.get("/v2/models/<network>/config")
@blueprint.get("/v2/models/<network>/versions/<version>/config")
@allowed(Scope.INFER, Scope.READ)
@described(Operation(answers={200: ModelConfiguration}))
def config(network: str, version: str = "") -> Response:
    """The model configuration of Triton, with the bundle and its cut points among the parameters."""
    made = services()
    bundle = made.catalogue.find(network, version=version)
    return jsonify(_configuration(network, bundle.digest, made.bundles.manifest(bundle.digest)))


@blueprint.get("/v2/models/stats")
@allowed(Scope.INFER, Scope.READ)
@described(Operation(answers={200: ModelStatistics}))
def all_statistics() -> Response:
    """Counts of all networks, of this worker process."""
    return jsonify({"model_stats": [_counted(bundle.network, "") for bundle in _newest_of_each()]})


@blueprint.get("/v2/models/<network>/stats")
@blueprint.get("/v2/models/<network>/versions/<version>/stats")
@allowed(Scope.INFER, Scope.READ)
@described(Operation(answers={200: ModelStatistics}))
def statistics(network: str, version: str = "") -> Response:
    """Counts of one network, of this worker process."""
    return jsonify({"model_stats": [_counted(network, version)]})


def _newest_of_each() -> list[Any]:
    return list({bundle.network: bundle for bundle in services().catalogue.all() if bundle.loaded}.values())


def _counted(network: str, version: str) -> dict[str, Any]:
    made = services()
    bundle = made.catalogue.find(network, version=version)
    return {"name": network, "version": str(bundle.version), **made.statistics.of(bundle.digest)}


def _configuration(network: str, digest: str, manifest: Manifest) -> dict[str, Any]:
    cuts = ",".join(str(cut) for cut in manifest.cuts)
    return {
        "name": network,
        "platform": PLATFORM,
        "backend": "dynasplit",
        "max_batch_size": 0,
        "input": [_configured(spec) for spec in manifest.cut(0).boundary],
        "output": [_configured(spec) for spec in manifest.outputs],
        "parameters": {"bundle": {"string_value": digest}, "cuts": {"string_value": cuts}},
    }


def _described(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)}


def _configured(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "data_type": f"TYPE_{spec.datatype}", "dims": list(spec.shape)}
