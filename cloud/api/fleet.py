"""The fleet as a whole."""

from __future__ import annotations

import time

from flask import Blueprint, Response, jsonify

from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.described import Operation, described
from cloud.fleet.summary import Fleet, summary
from cloud.services import services

blueprint = Blueprint("fleet", __name__)


@blueprint.get("/api/v1/fleet")
@allowed(Scope.READ)
@described(Operation(answers={200: Fleet}))
def fleet() -> Response:
    """Devices by availability, what was served in the last hour and day, tables of each network, dead letters and alarms."""
    return jsonify(summary(services().store, at=time.time()))
