"""Open Inference Protocol v2: running a tail, as it is described."""

from __future__ import annotations

from flask import Blueprint, request
from werkzeug.wrappers import Response

from cloud.api.access import allowed
from cloud.api.answers_v2 import InferenceReply, InferenceRequest
from cloud.api.described import BYTES, JSON, Operation, described
from cloud.api.inferring import NEEDS, Inferring

_INFER = Operation(
    body={JSON: InferenceRequest, BYTES: bytes},
    answers={200: {JSON: InferenceReply, BYTES: bytes}},
    refusals=(409,),
)


def blueprint(inferring: Inferring) -> Blueprint:
    """That there is such a path, and what may be done with it; `inferring` answers who asks for it, before the app does."""
    made = Blueprint("inference_v2", __name__)

    @made.post("/v2/models/<network>/infer")
    @made.post("/v2/models/<network>/versions/<version>/infer")
    @allowed(NEEDS)
    @described(_INFER)
    def infer(**_: str) -> Response:
        """Finishes an inference whose head ran elsewhere, or runs all of it."""
        return Response.from_app(inferring, request.environ)

    return made
