"""The published instances, and clusters of their family of any size for their networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from planner.pipeline.generating import Topology, lay_out
from planner.pipeline.instance import Floats, Instance
from planner.pipeline.published import MBIT_BYTES, instance, read_published
from protocol.documents import parse_object
from protocol.errors import InvalidInput
from tools.output import read_text

Found = TypeVar("Found")

FOLDER = "seifer"

MIB = 2.0**20


@dataclass(frozen=True, eq=False)
class Published:
    """An instance with what its authors' ways and an exact solver reached on it, in seconds; None: no plan."""

    name: str
    problem: Instance
    exact_s: float | None
    kpath_s: float | None
    greedy_s: float | None
    random_s: float | None

    @property
    def network(self) -> str:
        """The network's name: the part before the memory and the number of nodes."""
        return self.name.partition("-")[0]


def published(folder: Path) -> list[Published]:
    """All published instances, by name. InvalidInput where there is none, or one is broken."""
    paths = sorted((folder / FOLDER).glob("*.json"))
    if not paths:
        raise InvalidInput(f"--reference {folder} holds no instance in its folder '{FOLDER}'")
    return [_published(path) for path in paths]


def _published(path: Path) -> Published:
    content = parse_object(read_text(path, what="instance"), what=str(path))
    try:
        results = content["results"]["mem_fixed"]
        return Published(
            path.stem.removesuffix("-s0"),
            read_published(content, name=path.stem),
            results["exact"].get("opt"),
            results["kpath"].get("value"),
            results["joint"].get("value"),
            content["results"]["random_feasible_ours"]["mean"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"instance {path} lacks the published results: {error}") from error


def wifi(problem: Instance, capacity_bytes: Floats, seed: int) -> Instance:
    """The network of an instance on another cluster of the papers' family: as many nodes as capacities, places by seed."""
    layout = lay_out(Topology.WIFI, len(capacity_bytes), np.random.default_rng(seed))
    memory, transfer = problem.pieces.weight_bytes, problem.transfer_bytes[0]
    return instance(problem.name, memory, transfer, capacity_bytes, layout.mbps * MBIT_BYTES)


def by_network(instances: Sequence[Published]) -> Mapping[str, Instance]:
    """One problem of each network."""
    return {each.network: each.problem for each in instances}


def timed(work: Callable[[], Found], clock: Callable[[], float]) -> tuple[Found, float]:
    """What the work gives, and the seconds that it took."""
    started = clock()
    found = work()
    return found, clock() - started


def told(value: float | None, digits: int = 6) -> float | None:
    """A figure for JSON: rounded, and null where there is none."""
    return None if value is None or not np.isfinite(value) else round(value, digits)


def figures(found: Any) -> dict[str, Any]:
    """What a search says of itself."""
    return {
        "value_s": told(found.value),
        "bound_s": told(found.bound),
        "proven": found.proven,
        "gap": told(found.gap, 4),
        "stages": len(found.plan.stages) if found.plan else None,
    }
