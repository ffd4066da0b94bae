"""Computations as the cloud keeps them: tables that somebody asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from protocol.errors import NotFound


class ComputationState(StrEnum):
    """How far a computation is."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @property
    def final(self) -> bool:
        return self in (ComputationState.SUCCEEDED, ComputationState.FAILED)


@dataclass(frozen=True)
class TableOrder:
    """Which measurements to compose, and for whom: those that `device` took with this bundle, with this tag where one is given.

    `devices` get a draft each; they are like the one that was measured. `partial`, `trust_all` and `skip_bad` as of
    `dynasplit optimize`.
    """

    network: str
    device: str
    bundle: str
    devices: tuple[str, ...]
    run: str = ""
    partial: bool = False
    trust_all: bool = False
    skip_bad: bool = False


@dataclass(frozen=True)
class Computation:
    """An order and what became of it: the digests of the `drafts` by device, and `facts` about the measurements.

    A process that computes says until when it hopes to be done (`claimed_until`); later another one may try. Times are
    wall time in seconds since the epoch. `revision` grows with each change.
    """

    id: str
    order: TableOrder
    created_at: float
    state: ComputationState = ComputationState.QUEUED
    reason: str = ""
    drafts: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    attempts: int = 0
    claimed_until: float = 0.0
    ended_at: float | None = None
    revision: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Computation:
        """What `to_json` made."""
        order = {**content["order"], "devices": tuple(content["order"]["devices"])}
        return cls(**{**content, "order": TableOrder(**order), "state": ComputationState(content["state"])})


class ComputationStore(Protocol):
    """All computations. As `cloud.store.port.Store`: thread-safe, committed on return, ServiceMissing when it is away."""

    def add_computation(self, computation: Computation) -> None:
        """Keeps a new one."""
        ...

    def computation(self, computation_id: str) -> Computation:
        """NotFound when there is none."""
        ...

    def unfinished_computations(self) -> list[Computation]:
        """Those that are queued or run, oldest first."""
        ...

    def save_computation(self, computation: Computation) -> bool:
        """Replaces the one that it was made of, whose revision it has; its own is the next.

        False, and nothing is changed, when another process was faster.
        """
        ...


def computation_unknown(computation_id: str) -> NotFound:
    return NotFound(f"there is no computation {computation_id:.64}")
