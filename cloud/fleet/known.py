"""Whether a device is known, or registered."""

from __future__ import annotations

from cloud.store.devices.port import device_unknown
from cloud.store.port import Store
from protocol import topics


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
