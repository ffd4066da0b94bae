"""What devices drew, stretch by stretch."""

from __future__ import annotations

from flask import Blueprint, Response

from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.json_lines import json_lines
from cloud.api.requests import query_count, query_number
from cloud.services import services
from cloud.store.records.port import Kept, Selection

blueprint = Blueprint("samples", __name__)


@blueprint.get("/api/v1/devices/<device>/samples")
@allowed(Scope.READ)
def list_samples(device: str) -> Response:
    """JSON lines with identity, `received_at` and the sample, latest first, at most `limit`.

    `received_since` leaves out what came in before, in seconds since the epoch.
    """
    selection = Selection(device=device, received_since=query_number("received_since"))
    kept = services().store.samples(selection, limit=query_count("limit"))
    return json_lines(_line(record) for record in kept)


def _line(record: Kept) -> dict[str, object]:
    return {
        "boot": record.boot,
        "sequence": record.sequence,
        "received_at": record.received_at,
        "sample": record.body,
    }
