"""What a request costs on the node: the port, and the node's power profile."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from protocol.configuration import Provenance


@dataclass(frozen=True)
class NodeEnergy:
    """Energy in mJ: of the whole node while it worked, and of that the part above idle (None: idle power unknown)."""

    node_mj: float
    active_mj: float | None
    provenance: Provenance


class NodeWindow(Protocol):
    """A request that the node works on."""

    def spent(self) -> NodeEnergy:
        """What it took of the node until now. Ask once, at the end."""
        ...


class NodeMeter(Protocol):
    """Tells what requests take of the node, at once never more together than the node draws. Thread-safe; never waits."""

    def window(self) -> AbstractContextManager[NodeWindow]:
        """Of a request that begins now and ends with the block."""
        ...


@dataclass(frozen=True)
class NodeProfile:
    """A node that draws `busy_watts` while it works on a request and `idle_watts` (None: unknown) when it does not.

    W x ms = mJ. No meter looked at the request, so the figures are estimates.
    """

    name: str
    busy_watts: float
    idle_watts: float | None

    def spent(self, busy_ms: float) -> NodeEnergy:
        """Of `busy_ms` that the node worked on nothing else."""
        active = None if self.idle_watts is None else (self.busy_watts - self.idle_watts) * busy_ms
        return NodeEnergy(self.busy_watts * busy_ms, active, Provenance.ESTIMATED)
