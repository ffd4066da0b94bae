"""The agent's local HTTP API: the Open Inference Protocol v2 over the agent."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version as installed_version
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.wrappers import Response as AnyResponse

from edge.api import descriptions
from edge.api.inferring import Inferring
from edge.api.refusals import is_operator, refusal
from edge.api.served import Served
from edge.requests.asked import Asked
from protocol.content_encoding import MAX_BODY_BYTES, decompress
from protocol.documents import checked, parse_object
from protocol.errors import BundleMismatch, NotAllowed, Overloaded, ServiceMissing
from protocol.repository import asked_bundle


def create_app(served: Served) -> Flask:
    """A fresh app. All errors leave it as `{"error": …}`."""
    app = Flask("edge")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.register_error_handler(Exception, refusal)
    _add_inference(app, served)
    _add_server(app, served)
    _add_models(app, served)
    _add_statistics(app, served)
    _add_repository(app, served)
    return app


def _add_inference(app: Flask, served: Served) -> None:
    inferring = Inferring(served, app.wsgi_app)
    app.wsgi_app = inferring  # type: ignore[method-assign]

    @app.post("/v2/models/<network>/infer")
    @app.post("/v2/models/<network>/versions/<version>/infer")
    def infer(**_: str) -> AnyResponse:
        """That there is such a path, and what may be done with it; who asks for an inference never comes so far."""
        return AnyResponse.from_app(inferring, request.environ)

    @app.post("/v2/models/<network>/explain")
    @app.post("/v2/models/<network>/versions/<version>/explain")
    def explain(network: str, version: str = "") -> Response:
        _operator_only(served)
        descriptions.check_version(version)
        parameters = checked(_content().get("parameters", {}), dict, what="'parameters'")
        asked = Asked.to_explain(parameters, now_s=served.clock(), default_account=served.account)
        return jsonify(served.agent.explain(network, asked).to_json())


def _add_server(app: Flask, served: Served) -> None:
    @app.get("/v2")
    def server() -> Response:
        return jsonify(
            {
                "name": "dynasplit-edge",
                "version": installed_version("dynasplit"),
                "extensions": list(descriptions.EXTENSIONS),
                "device": dict(served.device()),
            }
        )

    @app.get("/v2/health/live")
    def live() -> Response:
        return jsonify({"live": True})

    @app.get("/v2/health/ready")
    def ready() -> Response:
        """Whether a request for an inference could be answered now: what runs networks is there. Each network has its own."""
        if obstacle := served.obstacle():
            raise ServiceMissing(obstacle)
        return jsonify({"ready": True})


def _add_models(app: Flask, served: Served) -> None:
    @app.get("/v2/models/<network>")
    @app.get("/v2/models/<network>/versions/<version>")
    def metadata(network: str, version: str = "") -> Response:
        descriptions.check_version(version)
        return jsonify(descriptions.metadata(served.networks.get(network)))

    @app.get("/v2/models/<network>/ready")
    @app.get("/v2/models/<network>/versions/<version>/ready")
    def model_ready(network: str, version: str = "") -> Response:
        descriptions.check_version(version)
        if served.networks.get(network).plan is None:
            raise ServiceMissing(f"network {network} has no table on this device yet: push one (dynasplit push)")
        return jsonify({"name": network, "ready": True})

    @app.get("/v2/models/<network>/config")
    @app.get("/v2/models/<network>/versions/<version>/config")
    def config(network: str, version: str = "") -> Response:
        descriptions.check_version(version)
        return jsonify(descriptions.configuration(served.networks.get(network)))


def _add_statistics(app: Flask, served: Served) -> None:
    @app.get("/v2/models/stats")
    def all_statistics() -> Response:
        return jsonify({"model_stats": [_statistics(served, network.name) for network in served.networks.all()]})

    @app.get("/v2/models/<network>/stats")
    @app.get("/v2/models/<network>/versions/<version>/stats")
    def statistics(network: str, version: str = "") -> Response:
        descriptions.check_version(version)
        return jsonify({"model_stats": [_statistics(served, served.networks.get(network).name)]})


def _statistics(served: Served, network: str) -> dict[str, Any]:
    """The protocol's, and what the agent knows beside them."""
    return {**served.tally.to_json(network), "dynasplit": served.agent.state(network)}


def _add_repository(app: Flask, served: Served) -> None:
    @app.post("/v2/repository/index")
    def index() -> Response:
        only_ready = checked(_content().get("ready", False), bool, what="'ready'")
        networks = [network for network in served.networks.all() if network.plan or not only_ready]
        return jsonify([descriptions.index_entry(network) for network in networks])

    @app.post("/v2/repository/models/<network>/load")
    def load(network: str) -> Response:
        """Fetches the bundle of parameter `bundle` (else the network's own), opens it, and serves pinned configurations with it."""
        _operator_only(served)
        digest = asked_bundle(_content()) or served.networks.get(network).bundle.digest
        if not served.loading.acquire(blocking=False):  # each takes one of the few threads that answer health checks
            raise Overloaded("another bundle is being loaded; try again when that is done")
        try:
            _load(served, network, digest)
        finally:
            served.loading.release()
        return jsonify({})

    @app.post("/v2/repository/models/<network>/unload")
    def unload(network: str) -> Response:
        _operator_only(served)
        served.networks.unload(network)
        return jsonify({})


def _load(served: Served, network: str, digest: str) -> None:
    bundle = served.bundles.get(digest)
    if bundle.manifest.network != network:
        raise BundleMismatch(f"bundle {digest:.12} holds {bundle.manifest.network}, not {network}")
    served.warm(bundle, 1)
    served.networks.load(bundle)


def _content() -> Mapping[str, Any]:
    """The body's JSON object; clients also send none at all."""
    body = decompress(dict(request.headers), request.get_data())
    return parse_object(bytes(body), what="request") if body else {}


def _operator_only(served: Served) -> None:
    if not is_operator(request.headers.get("Authorization", ""), served.operator_token):
        raise NotAllowed("this needs the operator's token: send Authorization: Bearer <token>")
