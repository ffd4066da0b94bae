"""Artifacts and bundles: uploaded by the operator, fetched by devices."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response, jsonify, request, send_file

from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.services import services

blueprint = Blueprint("bundles", __name__)

_CHUNK_BYTES = 1 << 20
_FOREVER = "private, max-age=31536000, immutable"


@blueprint.put("/api/v1/artifacts/<sha256>")
@allowed(Scope.WRITE)
def put_artifact(sha256: str) -> tuple[Response, int]:
    """Keeps the body, which must have this sha256; 200 when it was here already."""
    made = services()
    request.max_content_length = made.settings.max_artifact_bytes
    new = made.bundles.put_artifact(sha256, _chunks())
    return jsonify({"sha256": sha256}), 201 if new else 200


@blueprint.get("/api/v1/artifacts/<sha256>")
@allowed(Scope.INFER, Scope.READ)
def get_artifact(sha256: str) -> Response:
    """The artifact; HEAD tells whether it is here, Range continues a broken transfer."""
    path = services().bundles.artifact(sha256)
    response = send_file(path, mimetype="application/octet-stream", etag=sha256, conditional=True)
    response.headers["Cache-Control"] = _FOREVER
    return response


@blueprint.put("/api/v1/bundles/<digest>")
@allowed(Scope.WRITE)
def put_bundle(digest: str) -> tuple[Response, int]:
    """Makes a bundle of its `bundle.json` and lets it serve; 409 with the names while artifacts are missing."""
    made = services()
    manifest = made.bundles.put_bundle(digest, request.get_data())
    stored = made.store.add_bundle(digest, network=manifest.network)
    made.catalogue.forget()
    return jsonify({"digest": digest, "network": stored.network, "version": stored.version}), 201


@blueprint.get("/api/v1/bundles/<digest>")
@allowed(Scope.INFER, Scope.READ)
def get_bundle(digest: str) -> Response:
    """`bundle.json`, byte for byte."""
    content = services().bundles.content(digest)
    return Response(content, mimetype="application/json", headers={"Cache-Control": _FOREVER})


@blueprint.get("/api/v1/bundles")
@allowed(Scope.INFER, Scope.READ)
def list_bundles() -> Response:
    """All bundles."""
    return jsonify(
        [
            {"digest": bundle.digest, "network": bundle.network, "version": bundle.version, "loaded": bundle.loaded}
            for bundle in services().store.bundles()
        ]
    )


def _chunks() -> Iterator[bytes]:
    while chunk := request.stream.read(_CHUNK_BYTES):
        yield chunk
