"""Artifacts and bundles: uploaded by the operator, fetched by devices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from flask import Blueprint, Response, jsonify, request
from werkzeug.utils import send_file

from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.described import BYTES, Operation, described
from cloud.api.ranges import understood
from cloud.bundles.files import check_digest
from cloud.bundles.leftovers import making_room
from cloud.bundles.removing import remove_bundle
from cloud.services import services

blueprint = Blueprint("bundles", __name__)


@dataclass(frozen=True)
class ArtifactFacts:
    """An artifact's identity."""

    sha256: str


@dataclass(frozen=True)
class NewBundle:
    """A bundle's place among those of its network."""

    digest: str
    network: str
    version: int


@dataclass(frozen=True)
class BundleFacts(NewBundle):
    """`loaded`: whether it serves."""

    loaded: bool


_CHUNK_BYTES = 1 << 20
_FOREVER = "private, max-age=31536000, immutable"


@blueprint.put("/api/v1/artifacts/<sha256>")
@allowed(Scope.WRITE)
@described(Operation(body={BYTES: bytes}, answers={200: ArtifactFacts, 201: ArtifactFacts}, refusals=(507,)))
def put_artifact(sha256: str) -> tuple[Response, int]:
    """Keeps the body, which must have this sha256; 200 when it was here already."""
    made = services()
    request.max_content_length = made.settings.max_artifact_bytes
    with making_room(made.settings.data_dir):
        new = made.bundles.put_artifact(sha256, _chunks())
    return jsonify({"sha256": sha256}), 201 if new else 200


@blueprint.get("/api/v1/artifacts/<sha256>")
@allowed(Scope.INFER, Scope.READ)
@described(Operation(answers={200: {BYTES: bytes}, 206: {BYTES: bytes}, 304: None}, refusals=(416,)))
def get_artifact(sha256: str) -> Response:
    """The artifact; HEAD tells whether it is here, Range (one part) continues a broken transfer. 503 while too many fetch."""
    made = services()
    path = made.bundles.artifact(sha256)
    environ = understood(request.environ, etag=sha256, size=path.stat().st_size)
    response = cast(
        Response,
        send_file(
            path, environ, response_class=Response, mimetype="application/octet-stream", etag=sha256, conditional=True
        ),
    )
    response.headers["Cache-Control"] = _FOREVER
    return response if request.method == "HEAD" else made.downloads.counted(response)


@blueprint.put("/api/v1/bundles/<digest>")
@allowed(Scope.WRITE)
@described(Operation(body=dict[str, Any], answers={201: NewBundle}, refusals=(409, 507)))
def put_bundle(digest: str) -> tuple[Response, int]:
    """Makes a bundle of its `bundle.json` and lets it serve; 409 with the names while artifacts are missing."""
    made = services()
    with making_room(made.settings.data_dir):
        manifest = made.bundles.put_bundle(digest, request.get_data())
    stored = made.store.add_bundle(digest, network=manifest.network)
    made.catalogue.forget()
    return jsonify({"digest": digest, "network": stored.network, "version": stored.version}), 201


@blueprint.get("/api/v1/bundles/<digest>")
@allowed(Scope.INFER, Scope.READ)
@described(Operation(answers={200: dict[str, Any], 304: None}))
def get_bundle(digest: str) -> Response:
    """`bundle.json`, byte for byte."""
    content = services().bundles.content(digest)
    response = Response(content, mimetype="application/json", headers={"Cache-Control": _FOREVER})
    response.set_etag(digest)
    response.make_conditional(request)
    return response


@blueprint.get("/api/v1/bundles")
@allowed(Scope.INFER, Scope.READ)
@described(Operation(answers={200: list[BundleFacts]}))
def list_bundles() -> Response:
    """All bundles."""
    return jsonify([BundleFacts(**vars(bundle)) for bundle in services().store.bundles()])


@blueprint.delete("/api/v1/bundles/<digest>")
@allowed(Scope.WRITE)
@described(Operation(answers={204: None}, refusals=(409,)))
def delete_bundle(digest: str) -> tuple[str, int]:
    """Deletes a bundle and those of its artifacts that no other has; 409 with the users while something uses it.

    Its tails are closed here at once, and elsewhere when they have not been used for longest.
    """
    made = services()
    remove_bundle(made.store, made.bundles, check_digest(digest, what="bundle"))
    made.catalogue.forget()
    made.tails.close(digest)
    return "", 204


def _chunks() -> Iterator[bytes]:
    while chunk := request.stream.read(_CHUNK_BYTES):
        yield chunk
