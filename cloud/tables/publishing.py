"""Publishing desired tables."""

from __future__ import annotations

from cloud.broker.publishing import Publisher
from cloud.store.port import Store
from cloud.store.tables.port import NO_TABLE, DesiredTable
from protocol import topics
from protocol.documents import canonical_bytes


def publish_desired(store: Store, publisher: Publisher, *, device: str, network: str) -> None:
    """Publishes the desired table of a device for a network, and says so in the store; where there is none (any more), takes off
    what the broker keeps.

    Two pushes at once may reach the broker in the wrong order; so the one that finds a newer table in the store after
    it published publishes that one too, and the newest is what stays retained.
    """
    topic = topics.desired(device, network)
    published: str | None = None
    while (digest := _digest(desired := store.desired(device, network))) != published:
        publisher.publish(topic, canonical_bytes(desired.signed.to_json()) if desired else b"")
        store.note_published(device, network, digest=digest)
        published = digest


def _digest(desired: DesiredTable | None) -> str:
    return desired.signed.table.digest if desired else NO_TABLE
