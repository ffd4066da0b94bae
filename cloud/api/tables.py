"""Tables: drafts that nobody has signed, and what each device shall use."""

from __future__ import annotations

import time
from dataclasses import dataclass

from flask import Blueprint, Response, jsonify

from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.described import Operation, described
from cloud.api.documents import SignedTableDocument, TableDocument, TableReportDocument
from cloud.api.requests import json_object
from cloud.services import services
from cloud.tables.publishing import publish_desired
from protocol import topics
from protocol.errors import InvalidInput
from protocol.signing import SignedTable
from protocol.table import Table

blueprint = Blueprint("tables", __name__)


@dataclass(frozen=True)
class Pushed:
    """The desired table's identity."""

    digest: str
    version: int


@dataclass(frozen=True)
class DeviceTable:
    """What a device shall use for a network, and what it last reported."""

    desired: SignedTableDocument | None
    reported: TableReportDocument | None


@dataclass(frozen=True)
class DraftDigest:
    """A draft's identity."""

    digest: str


@dataclass(frozen=True)
class DraftFacts:
    """What a draft is for; `rows` counts its configurations."""

    digest: str
    network: str
    device: str
    bundle: str
    rows: int


@blueprint.put("/api/v1/devices/<device>/tables/<network>")
@allowed(Scope.WRITE)
@described(Operation(body=SignedTableDocument, answers={200: Pushed}, refusals=(409,)))
def put_desired(device: str, network: str) -> Response:
    """Makes a signed table the desired one and publishes it; 409 unless its version is newer.

    503 when the broker did not take it: it is stored, and the same request again publishes it.
    """
    made = services()
    signed = SignedTable.from_json(json_object(what="signed table"))
    _check_place(signed.table, device, network)
    made.store.set_desired(signed, at=time.time())
    publish_desired(made.store, made.publisher, device=device, network=network)
    return jsonify({"digest": signed.table.digest, "version": signed.table.version})


@blueprint.get("/api/v1/devices/<device>/tables/<network>")
@allowed(Scope.READ, own_device=True)
@described(Operation(answers={200: DeviceTable}))
def get_tables(device: str, network: str) -> Response:
    """The desired table and what the device last reported, null where there is none."""
    store = services().store
    desired, reported = store.desired(device, network), store.reported(device, network)
    return jsonify(
        {
            "desired": desired.signed.to_json() if desired else None,
            "reported": reported.to_json() if reported else None,
        }
    )


@blueprint.post("/api/v1/tables")
@allowed(Scope.WRITE)
@described(Operation(body=TableDocument, answers={201: DraftDigest}))
def add_draft() -> tuple[Response, int]:
    """Keeps an unsigned table."""
    table = Table.from_json(json_object(what="table"))
    _check_names(table)
    services().store.add_draft(table)
    return jsonify({"digest": table.digest}), 201


@blueprint.get("/api/v1/tables/<digest>")
@allowed(Scope.READ)
@described(Operation(answers={200: TableDocument}))
def get_draft(digest: str) -> Response:
    """A draft by its digest."""
    return jsonify(services().store.draft(digest).to_json())


@blueprint.get("/api/v1/tables")
@allowed(Scope.READ)
@described(Operation(answers={200: list[DraftFacts]}))
def list_drafts() -> Response:
    """What drafts there are."""
    return jsonify(
        [
            {
                "digest": table.digest,
                "network": table.network,
                "device": table.device,
                "bundle": table.bundle,
                "rows": len(table.rows),
            }
            for table in services().store.drafts()
        ]
    )


def _check_place(table: Table, device: str, network: str) -> None:
    _check_names(table)
    if (table.device, table.network) != (device, network):
        raise InvalidInput(
            f"the table is for {table.network:.64} on {table.device:.64}, not for {network:.64} on {device:.64}"
        )
    if not 0 < table.version < 2**63:
        raise InvalidInput(f"a signed table needs a version of 1 or more, not {table.version}")


def _check_names(table: Table) -> None:
    topics.check_name(table.device, what="device")
    topics.check_name(table.network, what="network")
