"""Dead letters: what came in over MQTT and could not be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from flask import Blueprint, Response, jsonify
from pydantic import Field

from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.cursors import moment, moment_cursor
from cloud.api.described import Operation, described
from cloud.api.given import Count, QueryModel, query_of
from cloud.services import services
from cloud.store.dead_letters.port import DeadLetter

blueprint = Blueprint("dead_letters", __name__)

_PAGE, _MOST_PAGE = 100, 1000


@dataclass(frozen=True)
class DeadLetterPage:
    """Latest first. `count`: of all there are; `next`: the cursor of what follows, null at the end."""

    items: list[DeadLetter]
    count: int
    next: str | None


class DeadLetterQuery(QueryModel):
    """Of one device, or of all."""

    device: str | None = None
    limit: Annotated[Count, Field(description="at most so many, and 1000")] = _PAGE
    cursor: Annotated[str | None, Field(description="go on where a page ended: its `next`")] = None


@blueprint.get("/api/v1/dead-letters")
@allowed(Scope.READ)
@described(Operation(query=DeadLetterQuery, answers={200: DeadLetterPage}))
def list_dead_letters() -> Response:
    """Messages and records that ingest could not read, with the reason, latest first: a page."""
    asked = query_of(DeadLetterQuery)
    store, limit = services().store, min(asked.limit, _MOST_PAGE)
    before = None if asked.cursor is None else moment(asked.cursor)
    found = store.dead_letters(device=asked.device, before=before, limit=limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    following = moment_cursor(last.received_at, last.digest) if last else None
    return jsonify(DeadLetterPage(found[:limit], store.count_dead_letters(), following))
