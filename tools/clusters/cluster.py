"""A cluster as people describe it: nodes with their boards and memory, and the rates between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from planner.pipeline.instance import Floats, Medium
from protocol.errors import InvalidInput
from protocol.topics import check_name

DISPATCHER_NAME = "dispatcher"
"""Who gives inputs and takes outputs; no node may be called so."""

_MIB = 2.0**20
_MOST = {"memory_mib": 1e12, "idle_w": 1e6, "busy_w": 1e6, "send_w": 1e6, "receive_w": 1e6}

Position = tuple[float, float]


@dataclass(frozen=True)
class NodeEntry:
    """A node. What is None is the board's: the highest of its clocks, and what it draws.

    A stage's weights and activations must stay below `memory_mib`. `board` is a board profile's name or a path to one; None
    where only memory counts. Watts as `planner.pipeline.instance.Node` has them.
    """

    name: str
    memory_mib: float
    board: str | None = None
    clock_khz: int | None = None
    threads: int = 1
    position_m: Position | None = None
    idle_w: float | None = None
    busy_w: float | None = None
    send_w: float = 0.0
    receive_w: float = 0.0

    def __post_init__(self) -> None:
        check_name(self.name, what="a node's name")
        if self.name == DISPATCHER_NAME:
            raise InvalidInput(f"no node may be called {DISPATCHER_NAME}: rename it")
        for name in ("memory_mib", "clock_khz", "threads"):
            if (value := getattr(self, name)) is not None and value <= 0:
                raise InvalidInput(f"node {self.name}: {name} must be more than 0, not {value}")
        for name, most in _MOST.items():
            if (value := getattr(self, name)) is not None and value > most:
                raise InvalidInput(f"node {self.name}: {name} must be at most {most:g}, not {value}")
        for name in ("idle_w", "busy_w", "send_w", "receive_w"):
            if (value := getattr(self, name)) is not None and value < 0:
                raise InvalidInput(f"node {self.name}: {name} must be 0 or more, not {value}")
        if self.idle_w is not None and self.busy_w is not None and self.busy_w < self.idle_w:
            raise InvalidInput(f"node {self.name} draws less busy ({self.busy_w} W) than idle ({self.idle_w} W)")

    @property
    def memory_bytes(self) -> float:
        """Below which a stage must stay."""
        return self.memory_mib * _MIB


@dataclass(frozen=True, eq=False)
class Cluster:
    """N nodes, and bytes per second between them: `rate` [N, N] from row to column, 0 where there is no link; `rate_in` and
    `rate_out` [N] from and to the dispatcher, infinite where there is none to count. InvalidInput where that cannot be."""

    nodes: tuple[NodeEntry, ...]
    rate: Floats
    rate_in: Floats
    rate_out: Floats
    medium: Medium = Medium.LINKS
    dispatcher_m: Position | None = None

    def __post_init__(self) -> None:
        check_nodes(self.nodes)
        linked = (self.rate > 0).any(axis=0) | (self.rate > 0).any(axis=1)
        if not linked.all():
            alone = self.nodes[int(np.argmin(linked))].name
            raise InvalidInput(f"node {alone} cannot be reached: it has no link to or from another node")

    @property
    def has_dispatcher(self) -> bool:
        """Whether the ways in and out cost anything."""
        return not (np.isinf(self.rate_in).all() and np.isinf(self.rate_out).all())


def check_nodes(nodes: Sequence[NodeEntry]) -> None:
    """InvalidInput for nodes that make no cluster: too few, or two of one name."""
    if not nodes:
        raise InvalidInput("the cluster is empty: it has no node")
    if len(nodes) < 2:
        raise InvalidInput(f"a cluster has at least two nodes, not {nodes[0].name} alone")
    names = [node.name for node in nodes]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidInput(f"two nodes are called {twice[0]}: give each a name of its own")
