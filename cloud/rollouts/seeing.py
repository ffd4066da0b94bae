"""What the store knows of the devices of a rollout."""

from __future__ import annotations

from dataclasses import replace

from cloud.rollouts.stages import Seen
from cloud.store.devices.port import Device
from cloud.store.port import Store
from cloud.store.rollouts.values import Rollout
from cloud.tables.standing import Standing, standings
from protocol.presence import Availability


def seen_by_device(store: Store, rollout: Rollout) -> dict[str, Seen]:
    """Of each of its devices. ServiceMissing when the store is away."""
    seen = {each.name: _seen(each) for each in standings(store, rollout.network)}
    known = {each.name: each for each in store.devices()}
    for member in rollout.members:
        seen.setdefault(member.device, _there(known.get(member.device)))
    return seen


def _seen(standing: Standing) -> Seen:
    desired = standing.desired.version if standing.desired else None
    return replace(
        _there(standing.device),
        desired_version=desired.version if desired else 0,
        desired_digest=desired.digest if desired else "",
        published=standing.desired is not None and standing.desired.published,
        report=standing.received.report if standing.received else None,
    )


def _there(device: Device | None) -> Seen:
    if device is None:
        return Seen(registered=False)
    return Seen(online=device.availability is Availability.ONLINE, registered=device.registered)
