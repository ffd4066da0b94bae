"""The link as live traffic shows it."""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass
from itertools import combinations

from protocol.link import Link

_LARGEST_FACTOR = 1e4


@dataclass(frozen=True)
class Transfer:
    """One round trip without the cloud's own time, at a moment of the monotonic clock."""

    transfer_ms: float
    up_bytes: int
    down_bytes: int
    at_s: float


class LinkEstimate:
    """An estimate of the link from the latest transfers. Medians throughout: one stalled request does not move it.

    Transfers of different sizes tell round-trip time and rate apart (Theil-Sen slope, both directions in the proportion
    of the starting link, since replies are too small to tell the downlink alone). Transfers of one size only tell how
    much slower or faster than before the link is as a whole. What is older than `remember_s` is forgotten: a link that
    was once too slow to be used would otherwise never be tried again. Not thread-safe.
    """

    def __init__(self, *, window: int = 16, remember_s: float = 60.0) -> None:
        self._transfers: deque[Transfer] = deque(maxlen=window)
        self._remember_s = remember_s
        self._found: tuple[Link, Link] | None = None

    def observe(self, transfer: Transfer) -> None:
        self._transfers.append(transfer)
        self._found = None

    def link(self, start: Link, now_s: float) -> Link:
        """The link now. `start` is what is believed without traffic: the table's, measured when it was profiled."""
        while self._transfers and now_s - self._transfers[0].at_s > self._remember_s:
            self._transfers.popleft()
            self._found = None
        if not self._transfers:
            return start
        if self._found is None or self._found[0] is not start:
            self._found = start, self._by_size(start) or self._by_factor(start)
        return self._found[1]

    def _by_size(self, start: Link) -> Link | None:
        """Round-trip time and rates from the slope over sizes; None where the sizes are too alike to tell."""
        down_weight = start.up_bytes_per_ms / start.down_bytes_per_ms
        points = [(item.up_bytes + item.down_bytes * down_weight, item.transfer_ms) for item in self._transfers]
        sizes = [size for size, _ in points]
        if len(points) < 4 or statistics.quantiles(sizes, n=4)[2] < 2 * statistics.quantiles(sizes, n=4)[0] + 1:
            return None
        apart = (max(sizes) - min(sizes)) / 4
        slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2) if abs(b[0] - a[0]) >= apart]
        slope = statistics.median(slopes) if slopes else 0.0
        if slope <= 0:
            return None
        rtt_ms = max(0.0, statistics.median(duration - slope * size for size, duration in points))
        return Link(rtt_ms, up_bytes_per_ms=1 / slope, down_bytes_per_ms=1 / (slope * down_weight))

    def _by_factor(self, start: Link) -> Link:
        factor = statistics.median(
            item.transfer_ms / max(start.transfer_ms(item.up_bytes, item.down_bytes), 1e-6) for item in self._transfers
        )
        factor = min(max(factor, 1 / _LARGEST_FACTOR), _LARGEST_FACTOR)
        return Link(start.rtt_ms * factor, start.up_bytes_per_ms / factor, start.down_bytes_per_ms / factor)
