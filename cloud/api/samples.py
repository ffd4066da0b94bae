"""What devices drew, stretch by stretch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response

from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.described import JSON_LINES, Operation, described
from cloud.api.documents import SampleDocument
from cloud.api.given import Count, Moment, QueryModel, query_of
from cloud.api.record_queries import RecordQuery
from cloud.api.records import Records, answer, answered_as, json_lines
from cloud.exports.columns import SAMPLES
from cloud.fleet.known import check_known
from cloud.services import services
from cloud.store.records.port import Kept

blueprint = Blueprint("samples", __name__)


@dataclass(frozen=True)
class SampleItem:
    """A sample with its identity within the device, and when it came in, in seconds since the epoch."""

    boot: str
    sequence: int
    received_at: float
    sample: SampleDocument


@dataclass(frozen=True)
class SamplePage:
    """`next`: the cursor of what follows; null at the end."""

    items: list[SampleItem]
    next: str | None


@blueprint.get("/api/v1/devices/<device>/samples")
@allowed(Scope.READ)
@described(Operation(query=RecordQuery, answers={200: answered_as(SamplePage)}, refusals=(406,)))
def list_samples(device: str) -> Response:
    """A device's samples, latest first: a page (JSON), or all as JSON lines, CSV or Parquet."""
    query = query_of(RecordQuery)
    check_known(services().store, device)
    return answer(
        _RECORDS,
        query,
        query.selection(device=device),
        lambda chosen, limit: services().store.samples(chosen, limit=limit),
    )


class MinuteQuery(QueryModel):
    """`since`: minutes that begin then or later, by the device's clock, in seconds since the epoch."""

    since: Moment | None = None
    limit: Count | None = None


@blueprint.get("/api/v1/devices/<device>/sample-minutes")
@allowed(Scope.READ)
@described(Operation(query=MinuteQuery, answers={200: {JSON_LINES: bytes}}))
def list_minutes(device: str) -> Response:
    """Older samples of a device, put together by the minute, as JSON lines, latest first."""
    asked = query_of(MinuteQuery)
    check_known(services().store, device)
    minutes = services().store.sample_minutes(device, since=asked.since, limit=asked.limit)
    return json_lines(minute.to_json() for minute in minutes)


def _line(record: Kept) -> dict[str, Any]:
    return {
        "boot": record.boot,
        "sequence": record.sequence,
        "received_at": record.received_at,
        "sample": record.body,
    }


_RECORDS = Records("samples", SAMPLES, line=_line, item=_line)
