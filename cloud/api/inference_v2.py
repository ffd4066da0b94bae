"""Open Inference Protocol v2: running a tail."""

from __future__ import annotations

import time

from flask import Blueprint, Response, request

from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.answers_v2 import InferenceReply, InferenceRequest
from cloud.api.described import BYTES, JSON, Operation, described
from cloud.inference.answering import TailRequest
from cloud.services import services
from protocol.errors import DynaSplitError
from protocol.inference import pack_reply, unpack_request

blueprint = Blueprint("inference_v2", __name__)

_INFER = Operation(
    body={JSON: InferenceRequest, BYTES: bytes},
    answers={200: {JSON: InferenceReply, BYTES: bytes}},
    refusals=(409,),
)


@blueprint.post("/v2/models/<network>/infer")
@blueprint.post("/v2/models/<network>/versions/<version>/infer")
@allowed(Scope.INFER)
@described(_INFER)
def infer(network: str, version: str = "") -> Response:
    """Finishes an inference whose head ran elsewhere, or runs all of it."""
    made = services()
    received = request.get_data(cache=False)
    started_s = made.answering.now_s()
    message = unpack_request(dict(request.headers), received, limit_bytes=made.settings.max_body_bytes)
    asked = TailRequest.of(message.parameters)
    bundle = made.catalogue.find(network, version=version, digest=asked.bundle)
    try:
        manifest = made.bundles.manifest(bundle.digest)
        reply = made.answering.answer(message, asked, bundle=bundle, manifest=manifest, started_s=started_s)
    except DynaSplitError:
        made.statistics.failed(bundle.digest)
        raise
    made.statistics.succeeded(bundle.digest, duration_s=made.answering.now_s() - started_s, at=time.time())
    wire = pack_reply(reply)
    return Response(wire.body, headers=dict(wire.headers))
