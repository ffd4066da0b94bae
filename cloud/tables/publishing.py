"""Publishing desired tables."""

from __future__ import annotations

from cloud.broker.publishing import Publisher
from cloud.store.port import Store
from protocol import topics
from protocol.documents import canonical_bytes


def publish_desired(store: Store, publisher: Publisher, *, device: str, network: str) -> None:
    """Publishes the desired table of a device for a network, and says so in the store.

    Two pushes at once may reach the broker in the wrong order; so the one that finds a newer table in the store after
    it published publishes that one too, and the newest is what stays retained.
    """
    topic = topics.desired(device, network)
    published = ""
    while (desired := store.desired(device, network)) and desired.signed.table.digest != published:
        publisher.publish(topic, canonical_bytes(desired.signed.to_json()))
        store.note_published(desired.signed)
        published = desired.signed.table.digest
