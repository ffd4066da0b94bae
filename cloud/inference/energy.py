"""What a request costs on the node: the port, and the node's power profile."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
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

    def spent(self, busy_ms: float) -> NodeEnergy:
        """What it took so far of the node, which was `busy_ms` of work. Ask once, at the end."""
        ...


class NodeMeter(Protocol):
    """Tells what requests take of the node. Thread-safe; never waits."""

    def window(self) -> AbstractContextManager[NodeWindow]:
        """Of a request that begins now and ends with the block."""
        ...


@dataclass(frozen=True)
class NodeProfile:
    """A node that draws `busy_watts` while it works on a request and `idle_watts` (None: unknown) when it does not.

    W x ms = mJ. No meter looked at the request, so the figures are estimates. A `NodeMeter`, and the window of each request.
    """

    name: str
    busy_watts: float
    idle_watts: float | None

    def window(self) -> AbstractContextManager[NodeWindow]:
        return nullcontext(self)

    def spent(self, busy_ms: float) -> NodeEnergy:
        active = None if self.idle_watts is None else (self.busy_watts - self.idle_watts) * busy_ms
        return NodeEnergy(self.busy_watts * busy_ms, active, Provenance.ESTIMATED)
