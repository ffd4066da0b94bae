"""Drafts: tables as they came in, unsigned. Who signs one leaves it here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, jsonify

from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.auditing import about
from cloud.api.described import Operation, described
from cloud.api.documents import TableDocument
from cloud.api.given import query_of
from cloud.api.pages import PageQuery, cut
from cloud.api.path_values import check_names
from cloud.api.requests import json_object
from cloud.services import services
from cloud.store.drafts.port import DraftFacts
from cloud.tables.accepting import check_bundles
from protocol.table import Table

blueprint = Blueprint("drafts", __name__)


@dataclass(frozen=True)
class DraftDigest:
    """A draft's identity."""

    digest: str


@dataclass(frozen=True)
class DraftPage:
    """Latest first. `next`: the cursor of what follows, null at the end."""

    items: Sequence[DraftFacts]
    next: str | None


@blueprint.post("/api/v1/tables")
@allowed(Scope.WRITE)
@described(Operation(body=TableDocument, answers={201: DraftDigest}, refusals=(409,)))
def add_draft() -> tuple[Response, int]:
    """Keeps an unsigned table; 409 unless its bundle is here."""
    table, store = Table.from_json(json_object(what="table")), services().store
    check_names(table.device, table.network)
    check_bundles(store, [table])
    store.add_draft(table, at=time.time())
    return jsonify({"digest": table.digest}), 201


@blueprint.get("/api/v1/tables")
@allowed(Scope.READ)
@described(Operation(query=PageQuery, answers={200: DraftPage}))
def list_drafts() -> Response:
    """What drafts there are, those that were signed since as well, latest first: a page."""
    asked = query_of(PageQuery)
    found = services().store.drafts(before=asked.before, limit=asked.most + 1)
    items, following = cut(found, asked, lambda draft: (draft.added_at, draft.digest))
    return jsonify(DraftPage(items, following))


@blueprint.get("/api/v1/tables/<digest>")
@allowed(Scope.READ)
@described(Operation(answers={200: TableDocument}))
def get_draft(digest: str) -> Response:
    """A draft by its digest."""
    return jsonify(services().store.draft(digest).to_json())


@blueprint.delete("/api/v1/tables/<digest>")
@allowed(Scope.WRITE)
@described(Operation(answers={204: None}, refusals=(409,)))
def remove_draft(digest: str) -> tuple[str, int]:
    """Deletes a draft. 409 while a device shall use what it holds; signed tables stay in any case."""
    store = services().store
    table = store.draft(digest)
    about(f"draft of {table.network} for {table.device}")
    store.remove_draft(digest)
    return "", 204
