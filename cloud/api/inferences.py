"""Records of inferences, as the devices sent them."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.json_lines import json_lines
from cloud.api.requests import query, query_count, query_number
from cloud.services import services
from cloud.store.records.port import Kept, Selection

blueprint = Blueprint("inferences", __name__)


@blueprint.get("/api/v1/inferences")
@allowed(Scope.READ)
def list_inferences() -> Response:
    """JSON lines with identity, `received_at` and the record, latest first; filtered by the query, at most `limit`.

    `received_since` leaves out what came in before, in seconds since the epoch.
    """
    filters = {name: query(name) for name in ("device", "network", "run")}
    selection = Selection(**filters, received_since=query_number("received_since"))
    kept = services().store.inferences(selection, limit=query_count("limit"))
    return json_lines(_line(record) for record in kept)


@blueprint.get("/api/v1/inferences/count")
@allowed(Scope.READ)
def count() -> Response:
    """How many inferences with distinct identities the store holds, of a run or of all."""
    return jsonify({"count": services().store.count_inferences(run=query("run"))})


def _line(record: Kept) -> dict[str, object]:
    return {
        "device": record.device,
        "boot": record.boot,
        "sequence": record.sequence,
        "received_at": record.received_at,
        "inference": record.body,
    }
