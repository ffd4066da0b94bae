"""Open Inference Protocol v2, model repository: which networks there are, loading and unloading them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify

from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.answers_v2 import IndexEntry, IndexRequest, RepositoryRequest
from cloud.api.described import Operation, described
from cloud.api.requests import body
from cloud.services import services
from cloud.store.bundles.port import StoredBundle
from protocol.documents import checked, parse_object
from protocol.errors import BundleMismatch
from protocol.repository import asked_bundle

blueprint = Blueprint("repository_v2", __name__)


@blueprint.post("/v2/repository/index")
@allowed(Scope.INFER, Scope.READ)
@described(Operation(body=IndexRequest, body_optional=True, answers={200: list[IndexEntry]}))
def index() -> Response:
    """All networks with their versions; with `{"ready": true}` only what is loaded."""
    only_ready = checked(_content().get("ready", False), bool, what="'ready'")
    bundles = [bundle for bundle in services().catalogue.all() if bundle.loaded or not only_ready]
    return jsonify([_entry(bundle) for bundle in bundles])


@blueprint.post("/v2/repository/models/<network>/load")
@allowed(Scope.WRITE)
@described(Operation(body=RepositoryRequest, body_optional=True, answers={200: dict[str, Any]}, refusals=(409,)))
def load(network: str) -> Response:
    """Opens the bundle of parameter `bundle`, or the newest, and lets it serve from now on, in all worker processes."""
    made = services()
    bundle = _meant(network)
    made.tails.open(bundle.digest)
    made.store.set_loaded([bundle.digest], loaded=True)
    made.catalogue.forget()
    return jsonify({})


@blueprint.post("/v2/repository/models/<network>/unload")
@allowed(Scope.WRITE)
@described(Operation(body=RepositoryRequest, body_optional=True, answers={200: dict[str, Any]}, refusals=(409,)))
def unload(network: str) -> Response:
    """Stops serving the network, or only the bundle of parameter `bundle`; other processes follow within a second."""
    made = services()
    digests = [bundle.digest for bundle in made.catalogue.of_network(network)]
    if chosen := asked_bundle(_content()):
        digests = [_meant(network, chosen).digest]
    made.store.set_loaded(digests, loaded=False)
    made.catalogue.forget()
    for digest in digests:
        made.tails.close(digest)
    return jsonify({})


def _meant(network: str, digest: str = "") -> StoredBundle:
    bundles = services().catalogue.of_network(network)
    wanted = digest or asked_bundle(_content())
    if not wanted:
        return bundles[-1]
    for bundle in bundles:
        if bundle.digest == wanted:
            return bundle
    raise BundleMismatch(f"{network} has no bundle {wanted:.12}; it has {', '.join(b.digest[:12] for b in bundles)}")


def _content() -> Mapping[str, Any]:
    """The body's JSON object; clients also send none at all."""
    content = body()
    return parse_object(content, what="request") if content else {}


def _entry(bundle: StoredBundle) -> dict[str, str]:
    state, reason = ("READY", "") if bundle.loaded else ("UNAVAILABLE", "unloaded")
    return {"name": bundle.network, "version": str(bundle.version), "state": state, "reason": reason}
