"""Measurements, as the devices sent them."""

from __future__ import annotations

from flask import Blueprint, Response

from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.json_lines import json_lines
from cloud.api.requests import query, query_number
from cloud.services import services
from cloud.store.records.port import Selection

blueprint = Blueprint("measurements", __name__)


@blueprint.get("/api/v1/measurements")
@allowed(Scope.READ)
def list_measurements() -> Response:
    """JSON lines, one `Measurement` each, in the order in which they came in; filtered by the query.

    `received_since` leaves out what came in before, in seconds since the epoch.
    """
    filters = {name: query(name) for name in ("device", "network", "bundle", "run")}
    selection = Selection(**filters, received_since=query_number("received_since"))
    return json_lines(kept.body for kept in services().store.measurements(selection))
