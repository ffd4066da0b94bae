"""Open Inference Protocol v2: running a tail."""

from __future__ import annotations

import time

from flask import Blueprint, Response, g, request

from cloud.access.scopes import Scope
from cloud.api.access import allowed, caller
from cloud.api.answers_v2 import InferenceReply, InferenceRequest
from cloud.api.described import BYTES, JSON, Operation, described
from cloud.front.arrival import ReceivedBody
from cloud.inference.answering import Answer, TailRequest
from cloud.services import Services, services
from cloud.store.bundles.port import StoredBundle
from protocol.content_encoding import CONTENT_ENCODING, compressed_as_accepted
from protocol.errors import DynaSplitError
from protocol.inference import HEADER_LENGTH, pack_reply, unpack_request

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
    received, started_s = _received()
    message = unpack_request(_framing(), received, limit_bytes=made.settings.max_body_bytes)
    asked = TailRequest.of(message.parameters)
    g.cut = asked.cut
    bundle = made.catalogue.find(network, version=version, digest=asked.bundle)
    try:
        manifest = made.bundles.manifest(bundle.digest)
        with made.in_flight.one_of(caller().name):
            answer = made.answering.answer(message, asked, bundle=bundle, manifest=manifest, started_s=started_s)
    except DynaSplitError as error:
        made.statistics.failed(bundle.digest)
        made.metrics.refused(error)
        raise
    finally:
        made.metrics.queue(made.tails.line.wait_s())
    _count(made, bundle, answer, cut=asked.cut, took_s=made.answering.now_s() - started_s)
    wire = pack_reply(answer.reply)
    body, encoding = compressed_as_accepted(wire.body, request.headers.get("Accept-Encoding", ""))
    return Response(body, headers={**wire.headers, **({CONTENT_ENCODING: encoding} if encoding else {})})


def _count(made: Services, bundle: StoredBundle, answer: Answer, *, cut: int, took_s: float) -> None:
    waited_s, ran_s = answer.waited_s, answer.ran_s
    made.statistics.succeeded(bundle.digest, duration_s=took_s, waited_s=waited_s, ran_s=ran_s, at=time.time())
    made.metrics.inferred(bundle.network, cut, took_s=took_s, waited_s=waited_s, ran_s=ran_s)
    told = answer.reply.parameters
    made.metrics.spent(told["cloud_node_mj"], told["cloud_energy_provenance"])


def _framing() -> dict[str, str]:
    """The headers that tell how to read a body."""
    return {name: request.headers[name] for name in (HEADER_LENGTH, CONTENT_ENCODING) if name in request.headers}


def _received() -> tuple[bytes | memoryview, float]:
    """The body, and when its last byte was there; what the front has read is not copied."""
    body = request.environ["wsgi.input"]
    if isinstance(body, ReceivedBody):
        return body.view, body.arrived_s
    return request.get_data(cache=False), services().answering.now_s()
