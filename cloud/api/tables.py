"""Tables: what each device shall use."""

from __future__ import annotations

import time
from dataclasses import dataclass

from flask import Blueprint, Response, jsonify

from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.described import Operation, described
from cloud.api.documents import SignedTableDocument, TableReportDocument
from cloud.api.path_values import check_names
from cloud.api.requests import json_object
from cloud.fleet.known import check_known, check_network, check_registered
from cloud.services import services
from cloud.tables.accepting import check_acceptable
from cloud.tables.publishing import publish_desired
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


@blueprint.put("/api/v1/devices/<device>/tables/<network>")
@allowed(Scope.WRITE)
@described(Operation(body=SignedTableDocument, answers={200: Pushed}, refusals=(409,)))
def put_desired(device: str, network: str) -> Response:
    """Makes a signed table the desired one and publishes it; 409 unless its version is newer, and its bundle here, where the
    device fetches it. 400 for a signature that is not of the operator's key, where the backend knows it; 404 for a device
    that is not registered: who gets its name gets no table unasked.

    503 when the broker did not take it: it is stored, and the same request again publishes it.
    """
    made = services()
    signed = SignedTable.from_json(json_object(what="signed table"))
    _check_place(signed.table, device, network)
    check_registered(made.store, device)
    check_acceptable(made.store, [signed], public_key=made.settings.operator_public_key)
    made.store.set_desired(signed, at=time.time())
    publish_desired(made.store, made.publisher, device=device, network=network)
    return jsonify({"digest": signed.table.digest, "version": signed.table.version})


@blueprint.get("/api/v1/devices/<device>/tables/<network>")
@allowed(Scope.READ, own_device=True)
@described(Operation(answers={200: DeviceTable}))
def get_tables(device: str, network: str) -> Response:
    """The desired table and what the device last reported, null where there is none."""
    store = services().store
    check_names(device, network)
    check_known(store, device)
    desired, reported = store.desired(device, network), store.reported(device, network)
    if not (desired or reported):
        check_network(store, network)
    return jsonify(
        {
            "desired": desired.signed.to_json() if desired else None,
            "reported": reported.to_json() if reported else None,
        }
    )


def _check_place(table: Table, device: str, network: str) -> None:
    check_names(table.device, table.network)
    if (table.device, table.network) != (device, network):
        raise InvalidInput(
            f"the table is for {table.network:.64} on {table.device:.64}, not for {network:.64} on {device:.64}"
        )
