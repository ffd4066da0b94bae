"""Devices: registered with a token of their own, gathered by labels."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated

from flask import Blueprint, Response, jsonify
from pydantic import Field

from cloud.access.guard import new_token, token_sha256
from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.auditing import about
from cloud.api.described import Operation, described
from cloud.api.documents import TableReportDocument
from cloud.api.given import GrantModel, QueryModel, body_of, query_of
from cloud.api.path_values import NAME
from cloud.api.requests import json_object
from cloud.fleet.summary import Served, served
from cloud.jobs.retiring import end_jobs
from cloud.services import services
from cloud.store.devices.port import Device, device_unknown
from cloud.store.port import Store
from cloud.store.records.port import Selection
from cloud.store.tables.port import DesiredTable
from cloud.tables.retiring import clear_retired
from protocol import topics
from protocol.errors import NotFound
from protocol.labels import check_labels, parse_labels
from protocol.presence import Availability

blueprint = Blueprint("devices", __name__)

_DAY_S = 86_400


class NewDevice(GrantModel):
    """A device's name, and the labels that it begins with."""

    id: Annotated[str, Field(pattern=NAME["pattern"])]
    labels: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class DeviceToken:
    """A device's token, which is told once."""

    id: str
    token: str


@dataclass(frozen=True)
class DeviceFacts:
    """A device that is registered or was heard of. `last_seen` in seconds since the epoch, null: never."""

    id: str
    registered: bool
    availability: Availability
    last_seen: float | None
    labels: dict[str, str]

    @classmethod
    def of(cls, device: Device) -> DeviceFacts:
        return cls(device.name, device.registered, device.availability, device.last_seen, dict(device.labels))


@dataclass(frozen=True)
class DesiredFacts:
    """The table that the device shall use; `published`: whether the broker has taken it."""

    digest: str
    version: int
    bundle: str
    published: bool


@dataclass(frozen=True)
class DeviceNetwork:
    """A network on a device: which table it shall use, and what it last said of one."""

    network: str
    desired: DesiredFacts | None
    reported: TableReportDocument | None


@dataclass(frozen=True)
class DeviceState:
    """A device with what it does. `jobs`: those that have not ended. `last_day`: inferences that came in within a day."""

    device: DeviceFacts
    networks: list[DeviceNetwork]
    jobs: int
    last_day: Served


class DevicesQuery(QueryModel):
    """Which devices."""

    label: Annotated[tuple[str, ...], Field(description="key=value; given several times: all of them")] = ()
    availability: Availability | None = None
    registered: bool | None = None


@blueprint.post("/api/v1/devices")
@allowed(Scope.ADMIN)
@described(Operation(body=NewDevice, answers={201: DeviceToken}, refusals=(409,)))
def register() -> tuple[Response, int]:
    """Registers a device. Its token is told here and never again."""
    given = body_of(NewDevice, what="device")
    name, labels = topics.check_name(given.id, what="device"), check_labels(given.labels)
    about(name)
    token = new_token()
    services().store.add_device(name, token_sha256=token_sha256(token), labels=labels)
    return jsonify(DeviceToken(name, token)), 201


@blueprint.get("/api/v1/devices")
@allowed(Scope.READ)
@described(Operation(query=DevicesQuery, answers={200: list[DeviceFacts]}))
def list_devices() -> Response:
    """Devices that are registered or were heard of, by name; with `label` those that have all of these labels."""
    query = query_of(DevicesQuery)
    return jsonify(
        [
            DeviceFacts.of(device)
            for device in services().store.devices(labels=parse_labels(query.label))
            if query.availability in (None, device.availability) and query.registered in (None, device.registered)
        ]
    )


@blueprint.get("/api/v1/devices/<device>")
@allowed(Scope.READ, own_device=True)
@described(Operation(answers={200: DeviceState}))
def get_device(device: str) -> Response:
    """One device: whether it is there, its tables, its jobs, and what it served within a day."""
    store = services().store
    known = store.device(device)
    if known is None:
        raise device_unknown(topics.check_name(device, what="device"))
    return jsonify(
        DeviceState(
            device=DeviceFacts.of(known),
            networks=_networks(store, device),
            jobs=len(store.unfinished_jobs(device).jobs.jobs),
            last_day=served(store, Selection(device=device, received_since=time.time() - _DAY_S), bucket_s=_DAY_S),
        )
    )


@blueprint.put("/api/v1/devices/<device>/labels")
@allowed(Scope.WRITE)
@described(Operation(body=dict[str, str], answers={200: dict[str, str]}))
def put_labels(device: str) -> Response:
    """Gives a device these labels and no others: `{"site": "north", "kind": "camera"}`."""
    labels = check_labels(json_object(what="labels"))
    services().store.set_labels(device, labels)
    return jsonify(labels)


@blueprint.delete("/api/v1/devices/<device>")
@allowed(Scope.ADMIN)
@described(Operation(answers={204: None}))
def remove(device: str) -> tuple[str, int]:
    """Makes the device's token worthless, at once here and within ten seconds elsewhere, and removes its broker account.

    Its code that nobody has used is taken back, its jobs are canceled; it shall use no table any more, and what the broker
    keeps of it is cleared. Its records and the history of its tables stay. 503 when the broker took no change: the token is
    void all the same; the same request again tries the account.
    """
    made = services()
    end_jobs(made.store, made.publisher, device=device, at=time.time())
    unknown: NotFound | None = None
    try:
        made.store.remove_device(device, at=time.time())
    except NotFound as error:
        unknown = error
    made.guard.forget()
    if not made.accounts.remove(device) and unknown:
        raise unknown
    clear_retired(made.store, made.publisher, device=device)
    return "", 204


def _networks(store: Store, device: str) -> list[DeviceNetwork]:
    found = []
    for network in sorted({bundle.network for bundle in store.bundles()}):
        desired, reported = store.desired(device, network), store.reported(device, network)
        if desired or reported:
            report = TableReportDocument(**vars(reported), schema=reported.to_json()["schema"]) if reported else None
            found.append(DeviceNetwork(network, _desired(desired) if desired else None, report))
    return found


def _desired(desired: DesiredTable) -> DesiredFacts:
    table = desired.signed.table
    return DesiredFacts(table.digest, table.version, table.bundle, desired.published)
