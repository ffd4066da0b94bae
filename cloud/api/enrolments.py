"""Enrolment: the operator has a code issued, the device turns it into all that it needs."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import LengthRequired

from cloud.access.scopes import Scope
from cloud.api.access import allowed, open_to_all, peer
from cloud.api.auditing import about
from cloud.api.described import Operation, described
from cloud.api.documents import EnrolledDocument
from cloud.api.given import GrantModel, body_of
from cloud.api.requests import json_object
from cloud.enrolment.enrolling import Issued
from cloud.services import services
from protocol import topics
from protocol.documents import field

blueprint = Blueprint("enrolments", __name__)

_TTL_S = 900.0
_MOST_CODE_BYTES = 4096
"""Of a body that anybody may send."""


class EnrolmentOrder(GrantModel):
    """`ttl_s`: how long the code is good. `broker_password`: of an account that the operator made. `replace`: a device that
    is registered already."""

    device: str
    ttl_s: float = _TTL_S
    broker_password: str = ""
    replace: bool = False


@dataclass(frozen=True)
class CodeUse:
    """`attempt`: a word of the caller's own, so that an answer that got lost can be asked for again."""

    code: str
    attempt: str = ""


@blueprint.post("/api/v1/enrolments")
@allowed(Scope.ADMIN)
@described(Operation(body=EnrolmentOrder, answers={201: Issued}, refusals=(409,)))
def issue() -> tuple[Response, int]:
    """Issues a one-use code for a device, in place of one that was not used. It is told here and never again."""
    order = body_of(EnrolmentOrder, what="enrolment")
    device = topics.check_name(order.device, what="device")
    about(device)
    issued = services().enrolling.issue(
        device, ttl_s=order.ttl_s, broker_password=order.broker_password, replace=order.replace
    )
    return jsonify({"device": issued.device, "code": issued.code, "expires_at": issued.expires_at}), 201


@blueprint.post("/api/v1/enroll")
@open_to_all
@described(Operation(body=CodeUse, answers={200: EnrolledDocument}, refusals=(404, 409, 429)))
def enrol() -> Response:
    """Gives a device its token, its broker account and the operator's public key for a code; 429 after too many wrong ones.

    404: nobody issued the code, or it was taken back. 409: it has expired or was used. 503: it stays good, try again. An answer
    that got lost is given again to who sends the same code and the same `attempt`.
    """
    if "Transfer-Encoding" in request.headers:  # nobody without a token holds a stream
        raise LengthRequired("send the body with its Content-Length, not in chunks")
    given = {"attempt": "", **json_object(what="enrolment", limit_bytes=_MOST_CODE_BYTES)}
    code, attempt = (field(given, name, str, what="enrolment") for name in ("code", "attempt"))
    enrolled = services().enrolling.enrol(code, peer=peer(), attempt=attempt)
    about(enrolled.device)
    services().guard.forget()
    return jsonify(enrolled.to_json())
