"""Dead letters: what came in over MQTT and could not be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, jsonify

from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.described import Operation, described
from cloud.api.given import query_of
from cloud.api.pages import PageQuery, cut
from cloud.services import services
from cloud.store.dead_letters.port import DeadLetter

blueprint = Blueprint("dead_letters", __name__)


@dataclass(frozen=True)
class DeadLetterPage:
    """Latest first. `count`: of all there are; `next`: the cursor of what follows, null at the end."""

    items: Sequence[DeadLetter]
    count: int
    next: str | None


class DeadLetterQuery(PageQuery):
    """Of one device, or of all."""

    device: str | None = None


@blueprint.get("/api/v1/dead-letters")
@allowed(Scope.READ)
@described(Operation(query=DeadLetterQuery, answers={200: DeadLetterPage}))
def list_dead_letters() -> Response:
    """Messages and records that ingest could not read, with the reason, latest first: a page."""
    asked, store = query_of(DeadLetterQuery), services().store
    found = store.dead_letters(device=asked.device, before=asked.before, limit=asked.most + 1)
    items, following = cut(found, asked, lambda letter: letter.position)
    return jsonify(DeadLetterPage(items, store.count_dead_letters(), following))
