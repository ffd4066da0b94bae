"""Metrics for Prometheus."""

from __future__ import annotations

from flask import Blueprint, Response

from cloud.access.scopes import Scope
from cloud.api.access import allowed, open_to_all
from cloud.api.described import Operation, described
from cloud.services import Services, services
from cloud.watching.exposition import CONTENT_TYPE, exposition
from cloud.watching.fleet import Fleet, FleetCollector

_PATIENCE_S = 2.0
"""With the store, so that the rest is told in time."""

_ANSWER = Operation(answers={200: {"text/plain": str}})


def blueprint(*, to_all: bool) -> Blueprint:
    """`GET /metrics`, for tokens that may read, or for whoever reaches the port."""
    made = Blueprint("metrics", __name__)

    @made.get("/metrics")
    @(open_to_all if to_all else allowed(Scope.READ))
    @described(_ANSWER)
    def metrics() -> Response:
        """Counts of all worker processes, and what the store knows of the fleet, in Prometheus' text format."""
        found = services()
        fleet = FleetCollector(lambda: _fleet(found))
        return Response(exposition(found.metrics.registry, fleet), content_type=CONTENT_TYPE)

    return made


def _fleet(made: Services) -> Fleet:
    return made.asking.ask("fleet", lambda: _counted(made), patience_s=_PATIENCE_S)


def _counted(made: Services) -> Fleet:
    counts = made.store.count_devices()
    return Fleet({availability.value: count for availability, count in counts.items()}, made.store.count_dead_letters())
