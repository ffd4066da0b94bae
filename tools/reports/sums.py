"""Summing up inferences as they are read: a few numbers for each device and network, however many records there are."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from planner.choosing.strategies import STRATEGIES
from protocol.configuration import Account
from protocol.errors import InvalidInput
from protocol.measurement import Cost
from protocol.messages import Inference
from tools.reports.question import Question, day_of
from tools.reports.records import Seen

OURS = STRATEGIES[0]
"""The strategy whose savings are told."""

_LATENCY = ("head_ms", "transfer_ms", "cloud_ms")
_ENERGY = {
    Account.EDGE: ("head_mj", "wait_mj"),
    Account.EDGE_ACTIVE: ("head_mj", "wait_mj", "cloud_active_mj"),
    Account.EDGE_NODE: ("head_mj", "wait_mj", "cloud_node_mj"),
}


@dataclass
class Mean:
    """The mean of figures and its standard error, from figures that come one by one (Welford 1962)."""

    count: int = 0
    mean: float = 0.0
    _squares: float = 0.0

    def add(self, figure: float) -> None:
        self.count += 1
        before = figure - self.mean
        self.mean += before / self.count
        self._squares += before * (figure - self.mean)

    @property
    def total(self) -> float:
        return self.mean * self.count

    @property
    def standard_error(self) -> float:
        """Infinite for fewer than two figures: one says nothing about its spread."""
        if self.count < 2:
            return math.inf
        return math.sqrt(self._squares / (self.count - 1) / self.count)


@dataclass
class Tally:
    """What became of the requests of one strategy. A refused request has no cost; `as_asked` leaves out fallbacks too."""

    requests: int = 0
    answers: int = 0
    late: int = 0
    refused: int = 0
    violations: int = 0
    with_deadline: int = 0
    fallbacks: int = 0
    up_bytes: int = 0
    down_bytes: int = 0
    energy_mj: float = 0.0
    as_asked: Mean = field(default_factory=Mean)
    energy_kinds: set[str] = field(default_factory=set)
    latency_kinds: set[str] = field(default_factory=set)

    def add(self, inference: Inference, account: Account) -> float:
        """Counts one request; the energy of its answer in mJ, 0 when it was refused."""
        self.requests += 1
        self.with_deadline += inference.deadline_ms is not None
        self.violations += inference.violation
        if inference.cost is None:
            self.refused += 1
            return 0.0
        self._answered(inference, inference.cost)
        energy_mj = energy_of(inference.cost, account)
        self.energy_mj += energy_mj
        self.energy_kinds |= set(_kinds(inference.cost, _ENERGY[account]))
        if not inference.fallback:
            self.as_asked.add(energy_mj)
        return energy_mj

    def _answered(self, inference: Inference, cost: Cost) -> None:
        self.answers += 1
        self.late += inference.violation
        self.fallbacks += bool(inference.fallback)
        self.up_bytes += cost.up_bytes
        self.down_bytes += cost.down_bytes
        self.latency_kinds |= set(_kinds(cost, _LATENCY))


@dataclass
class Day:
    """The answers of one day, and their energy. `as_asked` leaves out fallbacks."""

    answers: int = 0
    energy_mj: float = 0.0
    as_asked: Mean = field(default_factory=Mean)


@dataclass
class Line:
    """One network on one device: what DynaSplit did, what the baseline did, and how often other strategies ran."""

    device: str
    network: str
    ours: Tally = field(default_factory=Tally)
    baseline: Tally = field(default_factory=Tally)
    others: Counter[str] = field(default_factory=Counter)
    days: dict[str, Day] = field(default_factory=lambda: defaultdict(Day))

    def add(self, seen: Seen, question: Question) -> None:
        inference = seen.inference
        if inference.strategy == OURS:
            self._add_ours(seen, question.account)
        elif inference.strategy == question.against:
            self.baseline.add(inference, question.account)
        else:
            self.others[inference.strategy] += 1

    def _add_ours(self, seen: Seen, account: Account) -> None:
        energy_mj = self.ours.add(seen.inference, account)
        if seen.inference.cost:
            day = self.days[day_of(seen.at_s)]
            day.answers += 1
            day.energy_mj += energy_mj
            if not seen.inference.fallback:
                day.as_asked.add(energy_mj)


def sum_up(found: Iterable[Seen], question: Question) -> list[Line]:
    """A line for each device and network that there is an inference of, in their order.

    InvalidInput for account `edge_active` where what the cloud spent above idle is unknown.
    """
    lines: dict[tuple[str, str], Line] = {}
    for seen in found:
        key = (seen.device, seen.inference.network)
        line = lines.get(key) or lines.setdefault(key, Line(*key))
        try:
            line.add(seen, question)
        except InvalidInput as error:
            raise InvalidInput(f"{seen.inference.network} on {seen.device}: {error}") from error
    return [lines[key] for key in sorted(lines)]


def energy_of(cost: Cost, account: Account) -> float:
    """Energy in mJ. What the cloud spent on a request that it never answered is not known, and counts 0."""
    if account is Account.EDGE:
        return cost.edge_mj
    if account is Account.EDGE_NODE:
        return cost.edge_mj + cost.cloud_node_mj
    if not cost.cloud_ms:
        return cost.edge_mj
    if cost.cloud_active_mj is None:
        raise InvalidInput(
            "account edge_active: what the cloud spent above idle is unknown; set the backend's NODE_IDLE_WATTS for "
            "requests to come, or use --account edge_node"
        )
    return cost.edge_mj + cost.cloud_active_mj


def _kinds(cost: Cost, figures: Iterable[str]) -> Iterator[str]:
    """The provenance of those figures that are not zero by definition; `unknown` where nobody said."""
    for name in figures:
        if getattr(cost, name):
            yield cost.provenance[name].value if name in cost.provenance else "unknown"
