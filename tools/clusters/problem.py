"""A planning problem with the names that people know its parts by, and where its figures come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from planner.pipeline.instance import Instance
from planner.pipeline.published import read_published
from protocol.configuration import Provenance
from protocol.documents import parse_object
from protocol.errors import InvalidInput
from tools.output import read_text

Kinds = frozenset[Provenance]
"""All kinds of figures that are in a sum."""

_ESTIMATED: Kinds = frozenset({Provenance.ESTIMATED})


@dataclass(frozen=True, eq=False)
class Problem:
    """An instance, what its nodes are called in results, and the kinds of its figures.

    `compute_kinds` and `power_kinds`: of each node's times and watts (None: not known). What is sent takes bytes over a
    rate, so it is an estimate always. `notes` are lines that people should read.
    """

    instance: Instance
    node_ids: tuple[int | str, ...]
    compute_kinds: tuple[Kinds, ...] = ()
    power_kinds: tuple[Kinds | None, ...] = ()
    notes: tuple[str, ...] = ()
    boards: Mapping[str, str] = field(default_factory=dict)

    def check_energy(self) -> None:
        """InvalidInput where a node's watts are not known, so that no plan's energy is."""
        if unknown := [node for node, kinds in zip(self.node_ids, self.power_kinds, strict=False) if kinds is None]:
            raise InvalidInput(f"node {unknown[0]}: nobody says what it draws; give it idle_w and busy_w")
        if not self.power_kinds:
            raise InvalidInput(f"{self.instance.name} says nothing of watts: energy needs --bundle and --nodes")


def read_instance(path: Path) -> Problem:
    """A published instance from a JSON file; nodes are called by their index. InvalidInput names the file and the field."""
    text = read_text(path, what="instance")
    try:
        content = parse_object(text, what="it")
        instance = read_published(content, name=str(content.get("name") or path.stem))
    except InvalidInput as error:
        raise InvalidInput(f"instance {path}: {error}") from error
    nodes = tuple(range(len(instance.nodes)))
    return Problem(instance, nodes, compute_kinds=(_ESTIMATED,) * len(nodes))
