"""What the rows of a table cost over a given link: latency and energy from their parts, for all rows at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from protocol.configuration import Account, CloudAccelerator, EdgeAccelerator
from protocol.errors import InvalidInput
from protocol.link import Link
from protocol.table import Row

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Prices:
    """Latency in ms and energy in mJ, one figure a row, in the order of the rows."""

    latency_ms: Floats
    energy_mj: Floats


@dataclass(frozen=True, eq=False)
class Expected:
    """What the next request would show if it took a row: prices, corrected by what was learned.

    `spread_ms` is the standard deviation of the latency, `guarded_ms` the latency that must meet the deadline, `held_ms` the
    part of it for which the device can do nothing else: all but the waiting for the cloud. `hoped_mj` is the energy by which
    rows are ranked: what is expected, less one standard deviation of what is not known about it.
    """

    latency_ms: Floats
    spread_ms: Floats
    guarded_ms: Floats
    held_ms: Floats
    energy_mj: Floats
    hoped_mj: Floats

    @classmethod
    def exactly(cls, prices: Prices, held_ms: Floats | None = None) -> Expected:
        """Prices taken at their word; without `held_ms` the device is taken to be held all the while."""
        latency_ms, energy_mj = prices.latency_ms, prices.energy_mj
        held_ms = latency_ms if held_ms is None else held_ms
        return cls(latency_ms, np.zeros_like(latency_ms), latency_ms, held_ms, energy_mj, energy_mj)

    def of(self, rows: Indices) -> Expected:
        """The part of these rows."""
        return Expected(*(getattr(self, each.name)[rows] for each in fields(self)))

    def later(self, delay_ms: Floats, delay_mj: Floats) -> Expected:
        """The same after something that comes first: its time and energy, one figure a row."""
        return replace(
            self,
            latency_ms=self.latency_ms + delay_ms,
            guarded_ms=self.guarded_ms + delay_ms,
            held_ms=self.held_ms + delay_ms,
            energy_mj=self.energy_mj + delay_mj,
            hoped_mj=self.hoped_mj + delay_mj,
        )


@dataclass(frozen=True, eq=False)
class Parts:
    """The columns of rows that prices follow from: read once a table, priced again whenever the link changes.

    Arrays of float64, one figure a row, not to be written to. Unknown `cloud_active_mj` and `accuracy` are NaN, and so
    is a relative uncertainty (`…_sd`) that the row does not state. Accelerators are told by their place in the enum.
    """

    head_ms: Floats
    head_mj: Floats
    wait_w: Floats
    up_bytes: Floats
    down_bytes: Floats
    cloud_ms: Floats
    cloud_node_mj: Floats
    cloud_active_mj: Floats
    accuracy: Floats
    cut: Floats
    cpu_khz: Floats
    edge_accelerator: Floats
    cloud_accelerator: Floats
    head_ms_sd: Floats
    cloud_ms_sd: Floats
    head_mj_sd: Floats
    cloud_node_mj_sd: Floats

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Parts:
        figures: Any = np.array([_figures(row) for row in rows], dtype=np.float64).reshape(len(rows), _COLUMNS)
        columns = np.ascontiguousarray(figures.T)
        columns.flags.writeable = False
        return cls(*columns)

    @cached_property
    def uses_cloud(self) -> Flags:
        """Which rows send anything."""
        return self.up_bytes > 0

    @cached_property
    def ready_w(self) -> Floats:
        """What the device draws while it gets ready for a row: as when it waits, and for a row that never waits, as its
        head does on average."""
        with np.errstate(divide="ignore", invalid="ignore"):
            head_w = np.nan_to_num(self.head_mj / self.head_ms, posinf=0.0)
        return np.where(self.uses_cloud, self.wait_w, head_w)

    @cached_property
    def active_unknown(self) -> bool:
        """Whether a row uses the cloud and nobody knows what it spends there above idle."""
        return bool(np.isnan(self.cloud_active_mj[self.uses_cloud]).any())

    def waiting_ms(self, link: Link) -> Floats:
        """Time that the device waits for the cloud: the way there and back, and the tail. 0 for edge-only rows."""
        transfer_ms = link.rtt_ms + self.up_bytes / link.up_bytes_per_ms + self.down_bytes / link.down_bytes_per_ms
        return (transfer_ms + self.cloud_ms) * self.uses_cloud

    def figures(self, link: Link) -> Floats:
        """What a request of each row shows by the table, [4, rows]: time of the head, time waiting, energy of the device
        and of the cloud's node. 0 for what a row does not have."""
        waiting_ms = self.waiting_ms(link)
        edge_mj = self.head_mj + self.wait_w * waiting_ms
        return np.array([self.head_ms, waiting_ms, edge_mj, self.cloud_node_mj * self.uses_cloud])

    def cloud_mj(self, account: Account) -> Floats | float:
        """Energy in mJ that the account adds for the cloud; InvalidInput where `edge_active` is not known."""
        if account is Account.EDGE:
            return 0.0
        if account is Account.EDGE_NODE:
            return self.cloud_node_mj * self.uses_cloud
        if self.active_unknown:
            raise InvalidInput(
                "account edge_active: what the cloud spends above idle is unknown; "
                "set the cloud's idle power and measure again, or use edge_node"
            )
        return np.where(self.uses_cloud, self.cloud_active_mj, 0.0)

    def priced(self, link: Link, account: Account) -> Prices:
        """Latency and energy over this link, for this account."""
        waiting_ms = self.waiting_ms(link)
        edge_mj = self.head_mj + self.wait_w * waiting_ms
        return Prices(latency_ms=self.head_ms + waiting_ms, energy_mj=edge_mj + self.cloud_mj(account))


def price(rows: Sequence[Row], link: Link, account: Account) -> Prices:
    """Latency and energy of each row.

    Latency = head, then, where the cloud is used, transfer and tail. The device spends `head_mj` and, while it waits,
    `wait_w` (W x ms = mJ); the accounts add the cloud's part. `edge_active` raises InvalidInput when a row that uses
    the cloud does not know its own.
    """
    return Parts.of(rows).priced(link, account)


def _figures(row: Row) -> tuple[float, ...]:
    return (
        row.head_ms,
        row.head_mj,
        row.wait_w,
        row.up_bytes,
        row.down_bytes,
        row.cloud_ms,
        row.cloud_node_mj,
        math.nan if row.cloud_active_mj is None else row.cloud_active_mj,
        math.nan if row.accuracy is None else row.accuracy,
        row.configuration.cut,
        row.configuration.cpu_khz,
        EDGE_ACCELERATORS[row.configuration.edge_accelerator],
        _CLOUD_ACCELERATORS[row.configuration.cloud_accelerator],
        *(row.uncertainty.get(name, math.nan) for name in _UNCERTAIN),
    )


EDGE_ACCELERATORS = {kind: place for place, kind in enumerate(EdgeAccelerator)}
"""How `Parts.edge_accelerator` tells them."""

_CLOUD_ACCELERATORS = {kind: place for place, kind in enumerate(CloudAccelerator)}
_UNCERTAIN = ("head_ms", "cloud_ms", "head_mj", "cloud_node_mj")
_COLUMNS = len(fields(Parts))
