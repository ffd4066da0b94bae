"""An inference's energies as columns, so that a database can sum them up."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.measurement import Cost


@dataclass(frozen=True)
class Energies:
    """mJ of the device and of the cloud's whole node, None without a cost; and their kinds, as `estimated+measured`."""

    edge_mj: float | None = None
    edge_provenance: str = ""
    cloud_mj: float | None = None
    cloud_provenance: str = ""


def energies_of(cost: Cost | None) -> Energies:
    if cost is None:
        return Energies()
    return Energies(cost.edge_mj, _kinds(cost, "head_mj", "wait_mj"), cost.cloud_node_mj, _kinds(cost, "cloud_node_mj"))


def _kinds(cost: Cost, *figures: str) -> str:
    """A figure that is zero by definition has no kind."""
    return "+".join(sorted({cost.provenance[figure].value for figure in figures if figure in cost.provenance}))
