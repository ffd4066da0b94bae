"""Serves the same requests with several strategies and sums up what each cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.manifest import Manifest
from protocol.configuration import Account
from protocol.errors import DynaSplitError, ServiceMissing
from protocol.measurement import Cost
from protocol.tensors import Tensor
from tools.agent import Agent, Answer
from tools.workload import Request

LATENCY_PARTS = ("head_ms", "transfer_ms", "cloud_ms")


@dataclass
class Served:
    """What one strategy did with the requests.

    Refused requests have no answer, and count as violations. `unanswered` are those among them that found no agent at all.
    """

    strategy: str
    answers: list[Answer] = field(default_factory=list)
    right: int = 0
    refused: list[str] = field(default_factory=list)
    unanswered: int = 0

    @property
    def requests(self) -> int:
        return len(self.answers) + len(self.refused)


def serve(
    agent: Agent,
    requests: Sequence[Request],
    *,
    network: Manifest,
    strategies: Sequence[str],
    account: Account,
    run: str,
    step: Callable[[], None],
    when_away: Callable[[], None],
) -> list[Served]:
    """Sends each request once per strategy, one after another, so that all meet the same noise; `step` follows each.

    `when_away` is called when the agent cannot serve at all, before the next request; the one that found it so is refused.

    Each request draws its own order of strategies (seeded): none always follows one that left the cloud idle, or warm.
    """
    served = {strategy: Served(strategy) for strategy in strategies}
    shuffled = np.random.default_rng(len(requests))
    for request in requests:
        for strategy in shuffled.permutation(np.array(strategies)).tolist():
            parameters = {
                "deadline_ms": request.deadline_ms,
                "strategy": strategy,
                "account": account.value,
                "run": run,
            }
            tensor = Tensor(network.inputs[0].name, request.image)
            if not _serve_one(
                agent, request, served[strategy], tensor=tensor, network=network.network, parameters=parameters
            ):
                when_away()
            step()
    return list(served.values())


def _serve_one(
    agent: Agent, request: Request, served: Served, *, tensor: Tensor, network: str, parameters: dict[str, Any]
) -> bool:
    """Whether there was an agent to serve it, or to refuse."""
    try:
        answer = agent.infer(network, [tensor], parameters)
    except DynaSplitError as error:
        served.refused.append(str(error))
        away = isinstance(error, ServiceMissing)
        served.unanswered += away
        return not away
    served.answers.append(answer)
    served.right += int(np.argmax(next(iter(answer.outputs.values())))) == request.label
    return True


def summarise(served: Served) -> dict[str, Any]:
    """The figures of one strategy: energies are totals in J over all requests, latencies in ms over the answered ones."""
    costs = [answer.cost for answer in served.answers]
    latencies = [answer.latency_ms for answer in served.answers]
    late = sum(answer.deadline_met is False for answer in served.answers)
    return {
        "requests": served.requests,
        "violations": late + len(served.refused),
        "refused": len(served.refused),
        "unanswered": served.unanswered,
        "fallbacks": sum(bool(answer.fallback) for answer in served.answers),
        "median_latency_ms": float(np.median(latencies)) if latencies else None,
        "p95_latency_ms": float(np.percentile(latencies, 95)) if latencies else None,
        "energy_j": _energies(costs),
        "accuracy": served.right / len(served.answers) if served.answers else None,
        "decisions": dict(
            sorted(Counter(str(answer.configuration.cut) for answer in served.answers).items(), key=_by_cut)
        ),
        "ran": _places(served.answers),
        "provenance": _provenance(costs),
    }


def _places(answers: Sequence[Answer]) -> dict[str, int]:
    """Where the answers came about: all in the cloud, on both sides of a cut, or on the device, fallbacks included."""
    places = {"cloud": 0, "both": 0, "device": 0}
    for answer in answers:
        if not answer.cost.cloud_ms:
            places["device"] += 1
        elif answer.configuration.cut:
            places["both"] += 1
        else:
            places["cloud"] += 1
    return places


def _by_cut(item: tuple[str, int]) -> int:
    return int(item[0])


def _energies(costs: Sequence[Cost]) -> dict[str, float | None]:
    """Totals in J per account; `edge_active` is None when the cloud's idle power is unknown.

    What the cloud spent on requests that it never answered is not known, and counts 0 in all accounts.
    """
    edge = sum(cost.edge_mj for cost in costs) / 1000
    answered = [cost for cost in costs if cost.cloud_ms]
    known = [cost.cloud_active_mj for cost in answered if cost.cloud_active_mj is not None]
    return {
        Account.EDGE.value: edge,
        Account.EDGE_ACTIVE.value: edge + sum(known) / 1000 if len(known) == len(answered) else None,
        Account.EDGE_NODE.value: edge + sum(cost.cloud_node_mj for cost in costs) / 1000,
    }


def _provenance(costs: Sequence[Cost]) -> dict[str, list[str]]:
    """The kinds of figures that went into each sum."""
    edge = _kinds(costs, ("head_mj", "wait_mj"))
    latency = _kinds(costs, LATENCY_PARTS)
    return {
        "violations": latency,
        "median_latency_ms": latency,
        "p95_latency_ms": latency,
        "energy_j.edge": edge,
        "energy_j.edge_active": sorted({*edge, *_kinds(costs, ("cloud_active_mj",))}),
        "energy_j.edge_node": sorted({*edge, *_kinds(costs, ("cloud_node_mj",))}),
        "accuracy": ["measured"],
    }


def _kinds(costs: Iterable[Cost], figures: Sequence[str]) -> list[str]:
    """The provenance of those figures that are not zero by definition, such as cloud time when nothing was sent."""
    return sorted(
        {
            cost.provenance[name].value
            for cost in costs
            for name in figures
            if name in cost.provenance and getattr(cost, name)
        }
    )
