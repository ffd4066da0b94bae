"""What the broker keeps of a device that is retired: another machine may get its name."""

from __future__ import annotations

import logging

from cloud.broker.publishing import Publisher
from cloud.store.port import Store
from cloud.tables.publishing import publish_desired
from protocol import topics
from protocol.errors import ServiceMissing

logger = logging.getLogger(__name__)


def clear_retired(store: Store, publisher: Publisher, *, device: str) -> None:
    """Takes its desired tables, which the store has withdrawn, and its own retained words off the broker.

    While the broker is away, ingest takes the tables off later; the words stay until another device says them.
    """
    networks = store.withdrawn(device)
    words = (topics.availability(device), topics.state(device), *(topics.reported(device, each) for each in networks))
    try:
        for network in networks:
            publish_desired(store, publisher, device=device, network=network)
        for topic in words:
            publisher.publish(topic, b"")
    except ServiceMissing as error:
        logger.warning("%s: not all that the broker keeps of it is cleared: %s", device, error)
