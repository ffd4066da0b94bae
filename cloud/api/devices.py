"""Devices: registered with a token of their own."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from cloud.access.guard import new_token, token_sha256
from cloud.access.scopes import Scope
from cloud.api.access import allowed
from cloud.api.auditing import about
from cloud.api.requests import json_object
from cloud.services import services
from protocol import topics
from protocol.documents import field
from protocol.errors import NotFound

blueprint = Blueprint("devices", __name__)


@blueprint.post("/api/v1/devices")
@allowed(Scope.ADMIN)
def register() -> tuple[Response, int]:
    """Registers a device. Its token is told here and never again."""
    name = topics.check_name(field(json_object(what="device"), "id", str, what="device"), what="device")
    about(name)
    token = new_token()
    services().store.add_device(name, token_sha256=token_sha256(token))
    return jsonify({"id": name, "token": token}), 201


@blueprint.get("/api/v1/devices")
@allowed(Scope.READ)
def list_devices() -> Response:
    """Devices that are registered or were heard of; `last_seen` in seconds since the epoch, null: never."""
    return jsonify(
        [
            {
                "id": device.name,
                "registered": device.registered,
                "availability": device.availability.value,
                "last_seen": device.last_seen,
            }
            for device in services().store.devices()
        ]
    )


@blueprint.delete("/api/v1/devices/<device>")
@allowed(Scope.ADMIN)
def remove(device: str) -> tuple[str, int]:
    """Makes the device's token worthless, at once here and within ten seconds elsewhere, and removes its broker account.

    Its records stay. 503 when the broker took no change: the token is void all the same; the same request again tries the account.
    """
    made = services()
    unknown: NotFound | None = None
    try:
        made.store.remove_device(device)
    except NotFound as error:
        unknown = error
    made.guard.forget()
    if not made.accounts.remove(device) and unknown:
        raise unknown
    return "", 204
