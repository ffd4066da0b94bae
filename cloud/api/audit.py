"""The audit: who changed what."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.described import Operation, described
from cloud.api.given import Count, Moment, QueryModel, query_of
from cloud.services import services
from cloud.store.audit.port import AuditLine

blueprint = Blueprint("audit", __name__)

_LIMIT = 100
_MOST = 1000


class AuditQuery(QueryModel):
    """`until`: only lines from that time or before, for the next page."""

    limit: Count = _LIMIT
    until: Moment | None = None


@blueprint.get("/api/v1/audit")
@allowed(Scope.ADMIN)
@described(Operation(query=AuditQuery, answers={200: list[AuditLine]}))
def list_audit() -> Response:
    """Requests that were to change something, latest first, at most `limit` and a thousand."""
    asked = query_of(AuditQuery)
    return jsonify(services().store.audit(limit=min(asked.limit, _MOST), until=asked.until))
