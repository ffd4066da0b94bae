"""Tables over time and over the fleet: what a device was ever to use, and who uses which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field as default
from typing import Annotated

from flask import Blueprint, Response, jsonify
from pydantic import Field

from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.described import Operation, described
from cloud.api.documents import SignedTableDocument, TableReportDocument
from cloud.api.given import QueryModel, query_of
from cloud.api.pages import MOST_ON_PAGE, PAGE, Limit
from cloud.api.path_values import check_names
from cloud.fleet.known import check_known, check_network
from cloud.services import services
from cloud.store.tables.port import TableVersion, signed_unknown
from cloud.tables.standing import standings

blueprint = Blueprint("table_history", __name__)


@dataclass(frozen=True)
class DesiredVersionFacts(TableVersion):
    """`published`: whether the broker has taken it."""

    published: bool


@dataclass(frozen=True)
class ReportFacts(TableReportDocument):
    """`received_at`: in seconds since the epoch."""

    received_at: float = default(kw_only=True)


@dataclass(frozen=True)
class StandingFacts:
    """What a device shall use for a network and what it last reported; `agrees`: they are the same.

    `last_version`: the newest that it was ever to use, 0 for none; the next one must be above it.
    """

    device: str
    agrees: bool
    desired: DesiredVersionFacts | None
    reported: ReportFacts | None
    last_version: int


@dataclass(frozen=True)
class HistoryPage:
    """Newest version first. `next`: the cursor of what follows, null at the end."""

    items: Sequence[TableVersion]
    next: str | None


class HistoryQuery(QueryModel):
    """How many, and from where on."""

    limit: Limit = PAGE
    cursor: Annotated[int | None, Field(ge=1, lt=2**63, description="go on where a page ended: its `next`")] = None


@blueprint.get("/api/v1/devices/<device>/tables/<network>/history")
@allowed(Scope.READ, own_device=True)
@described(Operation(query=HistoryQuery, answers={200: HistoryPage}))
def get_history(device: str, network: str) -> Response:
    """What the device was ever to use for the network, newest version first: a page."""
    asked, store = query_of(HistoryQuery), services().store
    check_names(device, network)
    check_known(store, device)
    most = min(asked.limit, MOST_ON_PAGE)
    found = store.history(device, network, below=asked.cursor, limit=most + 1)
    if not found:
        check_network(store, network)
    items = found[:most]
    return jsonify(HistoryPage(items, str(items[-1].version) if len(found) > most else None))


@blueprint.get("/api/v1/devices/<device>/tables/<network>/history/<digest>")
@allowed(Scope.READ, own_device=True)
@described(Operation(answers={200: SignedTableDocument}))
def get_signed(device: str, network: str, digest: str) -> Response:
    """A signed table that was made for the device and network, by its digest: one to go back to."""
    signed = services().store.signed(digest)
    if (signed.table.device, signed.table.network) != (device, network):
        raise signed_unknown(digest)
    return jsonify(signed.to_json())


@blueprint.get("/api/v1/networks/<network>/tables")
@allowed(Scope.READ)
@described(Operation(answers={200: list[StandingFacts]}))
def list_standings(network: str) -> Response:
    """Which device shall use which table for the network, and which it says that it uses.

    Tables with one `content_digest` differ in device and version alone.
    """
    store = services().store
    found = standings(store, network)
    if not found:
        check_network(store, network)
    return jsonify([standing.to_json() for standing in found])
