"""The agent's local HTTP API: the Open Inference Protocol v2 over the agent."""

from __future__ import annotations

import hmac
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version as installed_version
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from edge.api import descriptions
from edge.api.tally import Tally
from edge.api.web_server import gone, waited_s
from edge.requests.agent import Agent
from edge.requests.asked import Asked
from edge.tables.bundles import BundleStore
from edge.tables.deciding import Warmer
from edge.tables.networks import Networks
from hardware.clock import Clock
from protocol.configuration import Account
from protocol.content_encoding import MAX_BODY_BYTES, decompress
from protocol.documents import checked, parse_object
from protocol.errors import BundleMismatch, DynaSplitError, NotAllowed, NotAuthenticated, Overloaded, ServiceMissing
from protocol.inference import Message, pack_reply, select_outputs, unpack_request

logger = logging.getLogger(__name__)

_TEMPORARY = (429, 503)
_RETRY_AFTER_S = "1"
"""In seconds, as RFC 9110 (section 10.2.3) has it: a full queue is shorter and a lost runner back by then."""


@dataclass(frozen=True)
class Served:
    """What the API gives access to. `obstacle` tells why no network can be run now, "" when they can."""

    agent: Agent
    networks: Networks
    bundles: BundleStore
    warm: Warmer
    device: Callable[[], Mapping[str, Any]]
    operator_token: str
    account: Account = Account.EDGE_NODE
    clock: Clock = time.monotonic
    obstacle: Callable[[], str] = str
    tally: Tally = field(default_factory=Tally)
    loading: threading.Lock = field(default_factory=threading.Lock)


def create_app(served: Served) -> Flask:
    """A fresh app. All errors leave it as `{"error": …}`."""
    app = Flask("edge")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]
    _add_errors(app)
    _add_inference(app, served)
    _add_descriptions(app, served)
    _add_repository(app, served)
    return app


def _add_inference(app: Flask, served: Served) -> None:
    @app.post("/v2/models/<network>/infer")
    @app.post("/v2/models/<network>/versions/<version>/infer")
    def infer(network: str, version: str = "") -> Response:
        arrived_s = served.clock() - waited_s(request.environ)
        descriptions.check_version(version)
        known = served.networks.get(network).name
        try:
            response = _inferred(served, known, arrived_s)
        except DynaSplitError:
            served.tally.failed(known, served.clock() - arrived_s)
            raise
        served.tally.served(known, served.clock() - arrived_s)
        return response

    @app.post("/v2/models/<network>/explain")
    @app.post("/v2/models/<network>/versions/<version>/explain")
    def explain(network: str, version: str = "") -> Response:
        _operator_only(served)
        descriptions.check_version(version)
        parameters = checked(_content().get("parameters", {}), dict, what="'parameters'")
        asked = Asked.to_explain(parameters, now_s=served.clock(), default_account=served.account)
        return jsonify(served.agent.explain(network, asked).to_json())


def _inferred(served: Served, network: str, arrived_s: float) -> Response:
    message = unpack_request(dict(request.headers), request.get_data(cache=False))
    asked = Asked.parse(
        message.parameters,
        arrived_s=arrived_s,
        operator=_is_operator(served),
        default_account=served.account,
        gone=gone(request.environ),
    )
    answer = served.agent.infer(network, message, asked)
    wire = pack_reply(
        Message(
            tensors=select_outputs(answer.outputs, message.outputs),
            parameters=answer.parameters(),
            id=message.id,
            binary_outputs=message.binary_outputs,
            model_name=network,
            model_version=descriptions.VERSION,
        )
    )
    response = Response(wire.body, headers=dict(wire.headers))
    response.call_on_close(lambda: served.agent.learn(network))
    return response


def _add_descriptions(app: Flask, served: Served) -> None:
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
        """Fetches the bundle of parameter `bundle`, opens it, and serves pinned configurations with it."""
        _operator_only(served)
        parameters = checked(_content().get("parameters", {}), dict, what="'parameters'")
        digest = checked(parameters.get("bundle"), str, what="parameter 'bundle'")
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
    return parse_object(body, what="request") if body else {}


def _is_operator(served: Served) -> bool:
    """Whether the operator asks. Local applications need no token, but a wrong one is refused."""
    authorization = request.headers.get("Authorization", "")
    if not authorization:
        return False
    scheme, _, token = authorization.strip().partition(" ")
    expected = served.operator_token.encode()
    if scheme.lower() != "bearer" or not hmac.compare_digest(
        token.strip().encode("utf-8", "surrogateescape"), expected
    ):
        raise NotAuthenticated("this is not the operator's token of this device; leave Authorization out for plain use")
    return True


def _operator_only(served: Served) -> None:
    if not _is_operator(served):
        raise NotAllowed("this needs the operator's token: send Authorization: Bearer <token>")


def _add_errors(app: Flask) -> None:
    @app.errorhandler(DynaSplitError)
    def expected(error: DynaSplitError) -> Response:
        if error.http_status >= 500:
            logger.warning("%s: %s", type(error).__name__, error)
        response = _error(str(error), error.http_status)
        if isinstance(error, NotAuthenticated):
            response.headers["WWW-Authenticate"] = "Bearer"
        if error.http_status in _TEMPORARY:
            response.headers["Retry-After"] = _RETRY_AFTER_S
        return response

    @app.errorhandler(HTTPException)
    def by_flask(error: HTTPException) -> Response:
        response = _error(error.description or error.name, error.code or 500)
        for name, value in error.get_headers():
            if name.lower() not in ("content-type", "content-length"):
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        logger.error("a request failed", exc_info=error)
        return _error("the agent failed; its log says why", 500)


def _error(message: str, status: int) -> Response:
    response = jsonify({"error": message})
    response.status_code = status
    return response
