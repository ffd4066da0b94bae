"""Tables over time and over the fleet: what a device was ever to use, and who uses which."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as default

from flask import Blueprint, Response, jsonify

from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.described import Operation, described
from cloud.api.documents import SignedTableDocument, TableReportDocument
from cloud.api.given import Count, QueryModel, query_of
from cloud.api.path_values import check_names
from cloud.fleet.known import check_known
from cloud.services import services
from cloud.store.tables.port import TableVersion, signed_unknown
from cloud.tables.standing import standings
from protocol import topics

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


class HistoryQuery(QueryModel):
    """At most so many."""

    limit: Count | None = None


@blueprint.get("/api/v1/devices/<device>/tables/<network>/history")
@allowed(Scope.READ, own_device=True)
@described(Operation(query=HistoryQuery, answers={200: list[TableVersion]}))
def get_history(device: str, network: str) -> Response:
    """What the device was ever to use for the network, newest version first, at most `limit`."""
    store = services().store
    check_names(device, network)
    check_known(store, device)
    versions = store.history(device, network, limit=query_of(HistoryQuery).limit)
    return jsonify([version.to_json() for version in versions])


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
    topics.check_name(network, what="network")
    return jsonify([standing.to_json() for standing in standings(services().store, network)])
