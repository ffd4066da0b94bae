"""What kinds of figures stand behind the latency and the energy of a row."""

from __future__ import annotations

from collections.abc import Sequence

from protocol.configuration import Account, Provenance
from protocol.table import Row

_TIMES = ("head_ms", "cloud_ms")
_ENERGIES = {
    Account.EDGE: ("head_mj", "wait_w"),
    Account.EDGE_ACTIVE: ("head_mj", "wait_w", "cloud_active_mj"),
    Account.EDGE_NODE: ("head_mj", "wait_w", "cloud_node_mj"),
}


def latency_kinds(row: Row) -> list[str]:
    """All kinds that are in a row's latency, by name."""
    return _kinds(row, _TIMES)


def energy_kinds(row: Row, account: Account) -> list[str]:
    """All kinds that are in a row's energy, by name."""
    return _kinds(row, _ENERGIES[account])


def _kinds(row: Row, parts: Sequence[str]) -> list[str]:
    """The way to the cloud is always worked out from the link, and so an estimate."""
    kinds = {row.provenance[part].value for part in parts if part in row.provenance}
    return sorted(kinds | ({Provenance.ESTIMATED.value} if row.uses_cloud else set()))
