"""What a tail costs on the node, from the node's power profile."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.configuration import Provenance


@dataclass(frozen=True)
class NodeEnergy:
    """Energy in mJ: of the whole node while it worked, and of that the part above idle (None: idle power unknown)."""

    node_mj: float
    active_mj: float | None


@dataclass(frozen=True)
class NodeProfile:
    """A node that draws `busy_watts` while it works on a request and `idle_watts` (None: unknown) when it does not.

    W x ms = mJ. No meter looked at the request, so the figures are estimates.
    """

    name: str
    busy_watts: float
    idle_watts: float | None
    provenance: Provenance = Provenance.ESTIMATED

    def spent(self, busy_ms: float) -> NodeEnergy:
        """What the node spends on `busy_ms` of work."""
        active = None if self.idle_watts is None else (self.busy_watts - self.idle_watts) * busy_ms
        return NodeEnergy(node_mj=self.busy_watts * busy_ms, active_mj=active)
