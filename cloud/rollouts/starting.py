"""What becomes a rollout: signed tables of one network, one per device, each newer than what its device has."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence

from cloud.store.devices.port import device_unknown
from cloud.store.port import Store
from cloud.store.rollouts.values import Member, Plan, Rollout
from cloud.store.tables.port import not_newer
from cloud.tables.accepting import check_acceptable
from protocol.errors import InvalidInput
from protocol.signing import SignedTable


def start(
    store: Store, network: str, tables: Sequence[SignedTable], plan: Plan, *, at: float, public_key: str = ""
) -> Rollout:
    """Keeps the tables and a pending rollout of them; who moves rollouts on finds it.

    SignatureInvalid unless all are signed by the operator's `public_key`, where it is known. InvalidInput for tables that are
    no rollout, NotFound for a device that is not registered, Conflict for a version that is not newer and for a device that
    another rollout of the network still waits for.
    """
    _check_tables(network, tables)
    check_acceptable(store, tables, public_key=public_key)
    _check_devices(store, tables)
    _check_versions(store, network, tables)
    members = tuple(
        Member(each.table.device, each.table.digest, each.table.version)
        for each in sorted(tables, key=lambda each: each.table.device)
    )
    rollout = Rollout(uuid.uuid4().hex, network, plan, members, created_at=at)
    store.keep_signed(tables)
    store.add_rollout(rollout)
    return rollout


def _check_tables(network: str, tables: Sequence[SignedTable]) -> None:
    if not tables:
        raise InvalidInput("rollout: it needs a signed table for each of its devices, but has none")
    for each in tables:
        if each.table.network != network:
            raise InvalidInput(
                f"rollout: the table for {each.table.device:.64} is for {each.table.network:.64}, not for {network:.64}"
            )
    device, count = Counter(each.table.device for each in tables).most_common(1)[0]
    if count > 1:
        raise InvalidInput(f"rollout: {device:.64} is to get {count} tables; give it one")


def _check_devices(store: Store, tables: Sequence[SignedTable]) -> None:
    registered = {device.name for device in store.devices() if device.registered}
    for each in tables:
        if each.table.device not in registered:
            raise device_unknown(f"{each.table.device:.64}")


def _check_versions(store: Store, network: str, tables: Sequence[SignedTable]) -> None:
    versions = store.last_versions(network)
    for each in tables:
        if (last := versions.get(each.table.device, 0)) >= each.table.version:
            raise not_newer(each, last)
