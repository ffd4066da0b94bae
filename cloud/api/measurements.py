"""Measurements, as the devices sent them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response

from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.described import Operation, described
from cloud.api.documents import MeasurementDocument
from cloud.api.given import query_of
from cloud.api.record_queries import MeasurementQuery
from cloud.api.records import Records, answer, answered_as
from cloud.exports.columns import MEASUREMENTS
from cloud.services import services
from cloud.store.records.port import Kept

blueprint = Blueprint("measurements", __name__)


@dataclass(frozen=True)
class MeasurementItem:
    """A measurement with its identity, and when it came in, in seconds since the epoch."""

    device: str
    boot: str
    sequence: int
    received_at: float
    measurement: MeasurementDocument


@dataclass(frozen=True)
class MeasurementPage:
    """`next`: the cursor of what follows; null at the end."""

    items: list[MeasurementItem]
    next: str | None


@blueprint.get("/api/v1/measurements")
@allowed(Scope.READ)
@described(Operation(query=MeasurementQuery, answers={200: answered_as(MeasurementPage)}, refusals=(406,)))
def list_measurements() -> Response:
    """Measurements that pass all filters, in the order of their coming: a page (JSON), or all as JSON lines, CSV or Parquet.

    A JSON line is the measurement alone, as a file of measurements has it; a page tells its identity beside it.
    """
    query = query_of(MeasurementQuery)
    return answer(
        _RECORDS, query, query.selection(), lambda chosen, limit: services().store.measurements(chosen, limit=limit)
    )


def _item(record: Kept) -> dict[str, Any]:
    return {
        "device": record.device,
        "boot": record.boot,
        "sequence": record.sequence,
        "received_at": record.received_at,
        "measurement": record.body,
    }


_RECORDS = Records("measurements", MEASUREMENTS, line=lambda record: record.body, item=_item)
