"""Whether a device or a network is known, or a device registered."""

from __future__ import annotations

from cloud.store.devices.port import device_unknown
from cloud.store.port import Store
from protocol import topics
from protocol.errors import NotFound


def check_known(store: Store, device: str) -> None:
    """NotFound for one that is not registered, was never heard of, and never was to use a table; InvalidInput for no name."""
    topics.check_name(device, what="device")
    if store.device(device) is None and not store.has_tables(device):
        raise device_unknown(device)


def check_registered(store: Store, device: str) -> None:
    """NotFound for one that is not (any more); InvalidInput for no name."""
    known = store.device(topics.check_name(device, what="device"))
    if not (known and known.registered):
        raise device_unknown(device)


def check_network(store: Store, network: str) -> None:
    """NotFound for one of which there is no bundle and no device was ever to use a table; InvalidInput for no name."""
    if not store.knows_network(topics.check_name(network, what="network")):
        raise NotFound(
            f"network '{network}' is not here: there is no bundle of it, and no device was ever to use a table"
        )
