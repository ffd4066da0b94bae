"""Items: what waits for the writer, what it weighs, and what is counted of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from cloud.intake.arrivals import Batch
from cloud.intake.news import News
from cloud.store.dead_letters.port import DeadLetter

Item = Batch | DeadLetter | News

_RECORD_BYTES = 1024
"""More than a record has in telemetry, which becomes up to five times as much in memory: what has more bytes than its records have
weighs as many as would have them."""
_RECORD_CONTAINERS = 16
"""Twice as many objects and lists as a record has. A message of empty ones becomes twenty-five times as much in memory."""


def weight_of(item: Item) -> int:
    """What it weighs where records wait; nothing weighs nothing."""
    match item:
        case Batch():
            return max(1, len(item.arrivals), item.size_bytes // _RECORD_BYTES, item.containers // _RECORD_CONTAINERS)
        case DeadLetter():
            return 1 + len(item.payload) // _RECORD_BYTES
        case _:
            return 1


def received_at(item: Item) -> float:
    """When it came in, in seconds since the epoch; of an empty batch nobody knows."""
    match item:
        case Batch():
            return min((arrival.received_at for arrival in item.arrivals), default=math.inf)
        case DeadLetter():
            return item.received_at
        case _:
            return item.at


def kinds(items: Sequence[Item]) -> Counter[str]:
    """How many records of each kind there are, messages that could not be read among the rejected."""
    batches = [item for item in items if isinstance(item, Batch)]
    counts = Counter(type(arrival.content).__name__.lower() for batch in batches for arrival in batch.arrivals)
    counts["rejection"] += sum(isinstance(item, DeadLetter) for item in items)
    return +counts
