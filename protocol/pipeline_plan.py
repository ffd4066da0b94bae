"""The plan of a pipeline as it is pushed to agents: which node runs which operators of a bundle, and to whom it sends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from dataclasses import field as default
from functools import cached_property
from itertools import pairwise
from typing import Any

from protocol.configuration import Codec, Provenance, choose
from protocol.documents import check_schema, checked, digest_of, field
from protocol.errors import InvalidInput

SCHEMA = 1

_FIGURES = ("bottleneck_s", "latency_s")


@dataclass(frozen=True)
class PlanNode:
    """A node that takes part, at the clock and with the threads that the plan counts on; no clock: the one that it has."""

    name: str
    clock_khz: int | None = None
    threads: int = 1

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "clock_khz": self.clock_khz, "threads": self.threads}

    @classmethod
    def from_json(cls, content: object, *, what: str) -> PlanNode:
        entry = checked(content, dict, what=what)
        clock = entry.get("clock_khz")
        return cls(
            name=field(entry, "name", str, what=what),
            clock_khz=None if clock is None else checked(clock, int, what=f"{what}: 'clock_khz'"),
            threads=field(entry, "threads", int, what=what),
        )


@dataclass(frozen=True)
class PlanStage:
    """The operators [first, last) of the bundle's network, both cut points of the bundle. Inference i is run by node i mod r
    of the r `nodes`. `codec` writes what it sends to the next stage; None for the last, which answers the dispatcher."""

    first: int
    last: int
    nodes: tuple[PlanNode, ...]
    codec: Codec | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.first < self.last:
            raise InvalidInput(f"plan: a stage holds at least one operator, not [{self.first}, {self.last})")
        if not self.nodes:
            raise InvalidInput(f"plan: stage [{self.first}, {self.last}) has no node")

    def to_json(self) -> dict[str, Any]:
        return {
            "first": self.first,
            "last": self.last,
            "nodes": [node.to_json() for node in self.nodes],
            "codec": self.codec.value if self.codec else None,
        }

    @classmethod
    def from_json(cls, content: object, *, what: str) -> PlanStage:
        entry = checked(content, dict, what=what)
        codec, nodes = entry.get("codec"), field(entry, "nodes", list, what=what)
        return cls(
            first=field(entry, "first", int, what=what),
            last=field(entry, "last", int, what=what),
            nodes=tuple(PlanNode.from_json(node, what=f"{what}: node") for node in nodes),
            codec=None if codec is None else choose(Codec, codec, what=f"{what}: 'codec'"),
        )


@dataclass(frozen=True)
class Predicted:
    """What a plan is expected to give: seconds between inferences, seconds of one alone, and joules of one (None: not known)
    with one every `period_s`. `provenance` names all kinds that are in a figure."""

    bottleneck_s: float
    latency_s: float
    energy_j: float | None = None
    period_s: float | None = None
    provenance: Mapping[str, tuple[Provenance, ...]] = default(default_factory=dict)

    def __post_init__(self) -> None:
        for name in (*_FIGURES, "energy_j", "period_s"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise InvalidInput(f"plan: {name} must be 0 or more, not {value}")

    def to_json(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in (*_FIGURES, "energy_j", "period_s")},
            "provenance": {name: [kind.value for kind in kinds] for name, kinds in self.provenance.items()},
        }

    @classmethod
    def from_json(cls, content: object, *, what: str) -> Predicted:
        entry = checked(content, dict, what=what)
        kinds = field({"provenance": {}, **entry}, "provenance", dict, what=what)
        figures: dict[str, Any] = {name: field(entry, name, float, what=what) for name in _FIGURES}
        for name in ("energy_j", "period_s"):
            value = entry.get(name)
            figures[name] = None if value is None else checked(value, float, what=f"{what}: '{name}'")
        return cls(
            **figures,
            provenance={
                name: tuple(
                    choose(Provenance, kind, what=f"{what}: provenance of {name}")
                    for kind in checked(listed, list, what=f"{what}: provenance of {name}")
                )
                for name, listed in kinds.items()
            },
        )


@dataclass(frozen=True)
class PipelinePlan:
    """The stages of one bundle from its input to its output. `medium` tells which transmissions were taken to hinder each
    other; `version` only grows, 0 is a draft. InvalidInput where stages leave operators out or use a node twice."""

    network: str
    bundle: str
    stages: tuple[PlanStage, ...]
    predicted: Predicted
    medium: str = "links"
    version: int = 0

    def __post_init__(self) -> None:
        if not self.stages or self.stages[0].first != 0:
            raise InvalidInput("plan: the first stage must begin with operator 0")
        for before, after in pairwise(self.stages):
            if before.last != after.first:
                raise InvalidInput(f"plan: a stage ends at {before.last}, and the next begins at {after.first}")
            if before.codec is None:
                raise InvalidInput(f"plan: stage [{before.first}, {before.last}) names no codec for what it sends")
        if self.stages[-1].codec is not None:
            raise InvalidInput("plan: the last stage sends to no other one, and so has no codec")
        names = [node.name for stage in self.stages for node in stage.nodes]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InvalidInput(f"plan: node {twice[0]} takes part twice")
        if self.version < 0:
            raise InvalidInput(f"plan: version must be 0 or more, not {self.version}")

    @cached_property
    def digest(self) -> str:
        """The sha256 of the canonical content, the plan's identity."""
        return digest_of(self.to_json())

    def with_version(self, version: int) -> PipelinePlan:
        return replace(self, version=version)

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "network": self.network,
            "bundle": self.bundle,
            "medium": self.medium,
            "version": self.version,
            "stages": [stage.to_json() for stage in self.stages],
            "predicted": self.predicted.to_json(),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], *, what: str = "plan") -> PipelinePlan:
        check_schema(content, current=SCHEMA, what=what)
        stages = field(content, "stages", list, what=what)
        return cls(
            network=field(content, "network", str, what=what),
            bundle=field(content, "bundle", str, what=what),
            medium=field(content, "medium", str, what=what),
            version=field(content, "version", int, what=what),
            stages=tuple(
                PlanStage.from_json(stage, what=f"{what}: stage {number}") for number, stage in enumerate(stages)
            ),
            predicted=Predicted.from_json(content.get("predicted"), what=f"{what}: predicted"),
        )
