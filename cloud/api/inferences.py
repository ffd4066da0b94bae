"""Records of inferences, as the devices sent them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, jsonify

from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.described import Operation, described
from cloud.api.documents import InferenceDocument
from cloud.api.given import QueryModel, query_of
from cloud.api.record_queries import InferenceQuery
from cloud.api.records import Records, answer, answered_as
from cloud.exports.columns import INFERENCES
from cloud.services import services
from cloud.store.records.port import Kept

blueprint = Blueprint("inferences", __name__)


@dataclass(frozen=True)
class InferenceItem:
    """An inference with its identity, and when it came in, in seconds since the epoch."""

    device: str
    boot: str
    sequence: int
    received_at: float
    inference: InferenceDocument


@dataclass(frozen=True)
class InferencePage:
    """`next`: the cursor of what follows; null at the end."""

    items: list[InferenceItem]
    next: str | None


@dataclass(frozen=True)
class CountAnswer:
    """How many there are."""

    count: int


class RunQuery(QueryModel):
    """Of one run, or of all."""

    run: str | None = None


@blueprint.get("/api/v1/inferences")
@allowed(Scope.READ)
@described(Operation(query=InferenceQuery, answers={200: answered_as(InferencePage)}, refusals=(406,)))
def list_inferences() -> Response:
    """Inferences, latest first, that pass all filters: a page (JSON), or all as JSON lines, CSV or Parquet.

    A cursor keeps its place while new inferences come in: they are before it.
    """
    query = query_of(InferenceQuery)
    return answer(
        _RECORDS, query, query.selection(), lambda chosen, limit: services().store.inferences(chosen, limit=limit)
    )


@blueprint.get("/api/v1/inferences/count")
@allowed(Scope.READ)
@described(Operation(query=RunQuery, answers={200: CountAnswer}))
def count() -> Response:
    """How many inferences with distinct identities the store holds, of a run or of all."""
    return jsonify(CountAnswer(services().store.count_inferences(run=query_of(RunQuery).run)))


def _line(record: Kept) -> dict[str, Any]:
    return {
        "device": record.device,
        "boot": record.boot,
        "sequence": record.sequence,
        "received_at": record.received_at,
        "inference": record.body,
    }


_RECORDS = Records("inferences", INFERENCES, line=_line, item=_line)
