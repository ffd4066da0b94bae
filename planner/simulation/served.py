"""A workload, and what each of its requests got."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.pricing import Flags, Floats, Indices
from planner.simulation.replay import Outcomes
from protocol.configuration import Account


@dataclass(frozen=True, eq=False)
class Workload:
    """Requests: what each allows in ms (infinite: no deadline) and its luck, in [0, 1); float64 [n] both."""

    deadlines_ms: Floats
    luck: Floats

    @classmethod
    def of(cls, deadlines_ms: Floats, rng: np.random.Generator) -> Workload:
        return cls(deadlines_ms, rng.random(len(deadlines_ms)))


@dataclass(frozen=True, eq=False)
class Served:
    """What each request got; arrays [n], entered while serving.

    `rows` are indices into the world's configurations; `latency_ms` counts from the arrival; energies are in mJ
    (`cloud_active_mj` NaN where unknown); `fallback`: the cloud was away, and the device finished.
    """

    rows: Indices
    latency_ms: Floats
    edge_mj: Floats
    cloud_node_mj: Floats
    cloud_active_mj: Floats
    fallback: Flags

    @classmethod
    def nothing(cls, requests: int) -> Served:
        rows, fallback = np.zeros(requests, dtype=np.intp), np.zeros(requests, dtype=np.bool_)
        latency_ms, edge_mj, node_mj, active_mj = np.zeros((4, requests))
        return cls(rows, latency_ms, edge_mj, node_mj, active_mj, fallback)

    def energy_mj(self, account: Account) -> Floats:
        if account is Account.EDGE:
            return self.edge_mj
        return self.edge_mj + (self.cloud_node_mj if account is Account.EDGE_NODE else self.cloud_active_mj)

    def enter(self, place: slice, rows: Indices, outcomes: Outcomes) -> None:
        self.rows[place], self.latency_ms[place], self.edge_mj[place] = rows, outcomes.latency_ms, outcomes.edge_mj
        self.cloud_node_mj[place] = outcomes.cloud_mj(Account.EDGE_NODE)
        self.cloud_active_mj[place] = outcomes.cloud_mj(Account.EDGE_ACTIVE)
