"""What was decided about a request, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from edge.requests.asked import Asked
from edge.requests.recorder import Served, Subject
from edge.requests.task import Outcome
from edge.tables.networks import Plan
from models.bundle import Bundle
from planner.choosing.candidates import Candidates
from planner.choosing.strategies import Choice, Request, choose
from protocol.configuration import Configuration, EdgeAccelerator
from protocol.measurement import Measurement
from protocol.tensors import Array


@dataclass(frozen=True, eq=False)
class Answer:
    """The outputs by name, and how they came about. Its turn had come at `chosen_s` and they were there at `done_s`, on the
    monotonic clock."""

    outputs: Mapping[str, Array]
    subject: Subject
    strategy: str
    served: Served
    chosen_s: float
    done_s: float
    measurement: Measurement | None = None

    def parameters(self) -> dict[str, Any]:
        """What the reply says beside the outputs."""
        served = self.served
        profiled = {"measurement": self.measurement.to_json()} if self.measurement else {}
        return {
            "deadline_met": served.deadline_met,
            "latency_ms": served.cost.latency_ms,
            "strategy": self.strategy,
            "configuration": served.configuration.to_json(),
            "cost": served.cost.to_json(),
            "fallback": served.fallback,
            "predicted_ms": served.predicted_ms,
            "bundle": self.subject.bundle,
            "table": self.subject.table,
            **profiled,
        }


@dataclass(frozen=True, eq=False)
class Decision:
    """How a request will be run: by the row that was chosen from the candidates with so much left of its deadline, or as
    the caller pinned it (`choice`, `plan` and `candidates` None).

    `avoided` is why it is done without the cloud, or without an accelerator, although that would have been chosen ("" otherwise).
    """

    bundle: Bundle
    configuration: Configuration
    plan: Plan | None = None
    choice: Choice | None = None
    candidates: Candidates | None = None
    deadline_ms: float | None = None
    avoided: str = ""

    @property
    def subject(self) -> Subject:
        return Subject(self.bundle.manifest.network, self.bundle.digest, self.plan.table.digest if self.plan else "")

    @property
    def waiting_ms(self) -> float:
        """What waiting for the cloud is expected to take; 0 where nobody knows."""
        if not (self.choice and self.candidates):
            return 0.0
        return self.candidates.waiting_ms(self.choice.index)


def served_as(decision: Decision, outcome: Outcome, asked: Asked, done_s: float, *, parting_ms: float) -> Served:
    """How a request was served that came to its end at `done_s` (monotonic), and leaves `parting_ms` later."""
    latency_ms = (done_s - asked.arrived_s) * 1e3 - outcome.repeated_ms + parting_ms
    return Served(
        configuration=decision.configuration,
        cost=replace(outcome.cost, latency_ms=latency_ms),
        fallback=outcome.fallback or decision.avoided,
        throttled=outcome.throttled,
        predicted_ms=decision.choice.predicted_ms if decision.choice else None,
        deadline_met=None if asked.deadline_ms is None else latency_ms <= asked.deadline_ms,
    )


def can_run(choice: Choice, candidates: Candidates) -> bool:
    """Whether the accelerator of the row that was chosen can be used now."""
    usable = candidates.limits.accelerators
    return usable is None or choice.row.configuration.edge_accelerator in usable


def on_cpu(choice: Choice, candidates: Candidates) -> Configuration:
    """The same cut without an accelerator, as fast as the table's rows may run."""
    khz = int(candidates.parts.cpu_khz[candidates.allowed].max())
    return replace(choice.row.configuration, edge_accelerator=EdgeAccelerator.OFF, cpu_khz=khz)


def why_avoided(strategy: str, candidates: Candidates, request: Request) -> str:
    """Why the device runs alone what it would have sent, were the cloud there; "" when it would not have sent it."""
    wished = choose(strategy, candidates.now(candidates.link, cloud_available=True), request)
    return "the cloud failed lately and was not asked" if wished.row.uses_cloud else ""


def hopeless(asked: Asked, request: Request, choice: Choice) -> str:
    """What to say to a caller who does not want to be served late."""
    return (
        f"no configuration answers within {asked.deadline_ms:g} ms ({request.deadline_ms:.1f} ms are left, "
        f"the fastest needs about {choice.predicted_ms:.1f} ms); allow more time or ask with late=serve"
    )
