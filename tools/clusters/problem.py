"""A planning problem with the names that people know its parts by, and where its figures come from."""

from __future__ import annotations

from dataclasses import dataclass

from planner.pipeline.instance import Instance
from planner.pipeline.loads import DISPATCHER
from protocol.configuration import Provenance
from protocol.errors import InvalidInput
from protocol.pipeline_plan import PlanNode

Kinds = frozenset[Provenance]
"""All kinds of figures that are in a sum."""


@dataclass(frozen=True)
class Origin:
    """The bundle that a problem was made from: its cut points, in the order of the instance's points, and the nodes as a
    plan names them."""

    network: str
    bundle: str
    cuts: tuple[int, ...]
    nodes: tuple[PlanNode, ...]


@dataclass(frozen=True, eq=False)
class Problem:
    """An instance, what its nodes are called in results, and the kinds of its figures.

    `compute_kinds` and `power_kinds`: of each node's times and watts (None: not known). What is sent takes bytes over a
    rate, so it is an estimate always. `notes` are lines that people should read. A published instance has no `origin`.
    """

    instance: Instance
    node_ids: tuple[int | str, ...]
    compute_kinds: tuple[Kinds, ...] = ()
    power_kinds: tuple[Kinds | None, ...] = ()
    notes: tuple[str, ...] = ()
    origin: Origin | None = None

    def end_id(self, end: int) -> int | str | None:
        """What an end of a transmission is called in results; None stands for the dispatcher."""
        return None if end == DISPATCHER else self.node_ids[end]

    def check_energy(self) -> None:
        """InvalidInput where a node's watts are not known, so that no plan's energy is."""
        if unknown := [node for node, kinds in zip(self.node_ids, self.power_kinds, strict=False) if kinds is None]:
            raise InvalidInput(f"node {unknown[0]}: nobody says what it draws; give it idle_w and busy_w")
        if not self.power_kinds:
            raise InvalidInput(f"{self.instance.name} says nothing of watts: energy needs --bundle and --nodes")
