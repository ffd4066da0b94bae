"""Inferences summed up by stretches of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from cloud.store.records.port import Selection


class Grouping(StrEnum):
    """What else than time tells buckets apart."""

    NONE = "none"
    DEVICE = "device"
    NETWORK = "network"


@dataclass(frozen=True)
class Bucket:
    """The inferences that came in within one stretch of time.

    `start` is wall time of ingest in seconds since the epoch; `name` the device or network ("" without grouping). `edge_mj`
    and `cloud_mj` (the whole node) are sums by provenance: of one kind, or of several that one inference is made of, as
    `estimated+measured`, and "" for what is zero by definition. Refused requests have no energy.
    """

    start: float
    name: str
    count: int
    violations: int
    edge_mj: Mapping[str, float]
    cloud_mj: Mapping[str, float]


class ChartStore(Protocol):
    """What charts are drawn of. As `cloud.store.port.Store`: thread-safe, ServiceMissing when it is away."""

    def inference_buckets(self, selection: Selection, *, bucket_s: int, by: Grouping = Grouping.NONE) -> list[Bucket]:
        """In the order of time and name; stretches without inferences are left out."""
        ...
